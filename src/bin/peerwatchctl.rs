//! peerwatchctl: see [`peerwatch::front::cli`].

fn main() -> std::process::ExitCode {
    peerwatch::front::cli::main(peerwatch::io::clock::now)
}
