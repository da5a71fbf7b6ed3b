//! Where objects are on the bus.
//!
//! A name becomes one element of an object path the way sd-bus does it: letters and digits stay,
//! everything else, and a digit at the beginning, becomes `_` and two hexadecimal digits; an empty
//! name is `_`. So different names never meet on one path, and the way back is unambiguous.

use std::fmt::Write as _;

use zbus::{ObjectPath, OwnedObjectPath};

/// The name on the bus.
pub(super) const NAME: &str = "org.peerwatch.Peerwatch1";

/// The object that has the others below it.
pub(super) const ROOT: &str = "/org/peerwatch/Peerwatch1";

/// The path above all networks.
pub(super) fn networks() -> OwnedObjectPath {
    made(format!("{ROOT}/network"))
}

/// The path of a network.
pub(super) fn network(name: &str) -> OwnedObjectPath {
    made(format!("{ROOT}/network/{}", escape(name)))
}

/// The path of something in a network; `kind` is `node`, `target` or `incident`.
pub(super) fn within(network: &OwnedObjectPath, kind: &str, name: &str) -> OwnedObjectPath {
    made(format!("{network}/{kind}/{}", escape(name)))
}

/// The path above all things of a kind in a network.
pub(super) fn above(network: &OwnedObjectPath, kind: &str) -> OwnedObjectPath {
    made(format!("{network}/{kind}"))
}

/// The last element of a path.
pub(super) fn last(path: &OwnedObjectPath) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// No object: what a property of type `o` says instead of nothing.
pub(super) fn none() -> OwnedObjectPath {
    OwnedObjectPath::from(ObjectPath::from_static_str_unchecked("/"))
}

fn made(path: String) -> OwnedObjectPath {
    OwnedObjectPath::try_from(path).expect("BUG! an escaped name is no path element")
}

fn escape(name: &str) -> String {
    if name.is_empty() {
        return "_".into();
    }
    name.bytes().enumerate().fold(String::with_capacity(name.len() + 8), |mut path, (place, byte)| {
        if byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && 0 < place) {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "_{byte:02x}");
        }
        path
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_path_elements_and_never_meet() {
        for (name, element) in [
            ("shop", "shop"),
            ("", "_"),
            ("_", "_5f"),
            ("4th", "_34th"),
            ("node:fra1", "node_3afra1"),
            ("shop#3", "shop_233"),
            ("a/b", "a_2fb"),
            ("küche", "k_c3_bcche"),
        ] {
            assert_eq!(escape(name), element);
            assert_eq!(network(name).as_str(), format!("{ROOT}/network/{element}"));
        }
    }
}
