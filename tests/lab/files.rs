//! What an administrator writes: keys by openssl, `peerwatch.toml`, `network.toml`.
//!
//! Nothing here uses the project's own code: the files are the contract.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::process::must;

/// The network of every lab.
pub(crate) const NETWORK: &str = "home";

/// What distinguishes one network definition of the lab from another.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    /// Members, with their addresses.
    pub(crate) nodes: Vec<(String, String)>,
    /// Where nginx and the mail server are, IPv4 and IPv6.
    pub(crate) services: (String, String),
    /// Further text at the end.
    pub(crate) more: String,
}

impl Definition {
    /// The targets of every lab, in the order of the file.
    pub(crate) const TARGETS: [&str; 5] = ["router", "router6", "gate", "shop", "corner"];

    /// The text of `network.toml`. One look per second, so that things happen while a test waits.
    pub(crate) fn toml(&self) -> String {
        let (v4, v6) = &self.services;
        let mut text = format!(
            "# The lab's network: the same on every node.\n\
             id = \"{NETWORK}-lab\"\nlease = \"10s\"\n\n\
             [defaults]\ninterval = \"1s\"\ntimeout = \"900ms\"\nconfirm = {{ bad = 3, good = 2 }}\n\n"
        );
        for (name, address) in &self.nodes {
            let _ = write!(text, "[[node]]\nname = \"{name}\"\naddress = [\"{address}:9630\"]\n\n");
        }
        let _ = write!(
            text,
            "[[target]]\nname = \"router\"\nicmp = {{ host = \"{v4}\", count = 2 }}\n\n\
             [[target]]\nname = \"router6\"\nicmp = {{ host = \"{v6}\", count = 2 }}\n\n\
             [[target]]\nname = \"gate\"\ntcp = {{ host = \"{v4}\", port = 81 }}\n\n\
             [[target]]\nname = \"shop\"\ngroup = \"web\"\nrunbook = \"https://wiki.example.org/shop\"\n\
             http = {{ url = \"http://{v4}/\", status = \"200-299\", body = \"Welcome\" }}\n\n\
             [[target]]\nname = \"corner\"\ntcp = {{ host = \"{v4}\", port = 82 }}\nwatchers = [\"{}\"]\nquorum = \"any\"\n\n\
             [[notify]]\nname = \"ops\"\nmail = {{ to = [\"ops@example.org\", \"night@example.org\"], from = \"peerwatch@example.org\" }}\n\
             on = [\"down\", \"up\"]\ngroup = \"1s\"\n",
            self.nodes[0].0
        );
        text.push_str(&self.more);
        text
    }
}

/// The text of `peerwatch.toml`.
pub(crate) fn host_toml(name: &str, mail_server: &str) -> String {
    format!(
        "[node]\nname = \"{name}\"\n\n[listen]\nmesh = \"[::]:9630\"\nweb = \"[::]:9631\"\n\n\
         [[network]]\nname = \"{NETWORK}\"\n\n[mail]\nserver = \"{mail_server}:25\"\ntls = \"none\"\n"
    )
}

/// Makes a key pair; the secret half is readable by its owner only.
pub(crate) fn make_key(secret: &Path, public: &Path) {
    for file in [secret, public] {
        fs::create_dir_all(file.parent().expect("a key lies in a folder")).expect("a folder for keys");
    }
    must("openssl", &["genpkey", "-algorithm", "ed25519", "-out", &secret.to_string_lossy()]);
    fs::set_permissions(secret, fs::Permissions::from_mode(0o600)).expect("a key file can be closed to others");
    must("openssl", &["pkey", "-in", &secret.to_string_lossy(), "-pubout", "-out", &public.to_string_lossy()]);
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder");
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
