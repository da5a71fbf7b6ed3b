//! The life of the RPM package, with dnf and rpm from Debian in a database of their own.
//!
//! No distribution with RPM is at hand, so a stub package stands for what the base of one provides; the
//! test names all that may be asked of it. The user is made as the scripts of each distribution do it.

use crate::machine::Machine;
use crate::packages::{FIRST, SECOND};
use crate::root::Debian;

/// What the package may ask of its distribution, besides the C library and what rpm itself can do.
const NEEDS: [&str; 4] = ["/bin/sh", "dbus", "systemd", "config(peerwatch)"];

/// The stub of a distribution's base.
const BASE: &str = "Name: base\nVersion: 1\nRelease: 1\nSummary: What a distribution has\nLicense: none\nBuildArch: noarch\n\
     Provides: /bin/sh, dbus, systemd, ca-certificates\n\
     Provides: PROVIDES\n\
     %description\nA stub.\n%files\n";

#[test]
fn an_rpm_is_installed_upgraded_and_erased() {
    let Some(machine) = Machine::boot("an_rpm_is_installed_upgraded_and_erased", Debian::Trixie) else { return };
    let name = |version: &str| format!("/packages/peerwatch-{version}.{}.rpm", std::env::consts::ARCH);
    let needs = machine.must(&format!("rpm --query --package --requires {}", name(FIRST)));
    let (libraries, others): (Vec<&str>, Vec<&str>) =
        needs.lines().filter(|need| !need.starts_with("rpmlib(")).partition(|need| need.contains("(64bit)") || need.starts_with("rtld("));
    for need in others {
        let word = need.split(' ').next().unwrap_or_default();
        assert!(NEEDS.contains(&word), "{need} is asked for");
    }
    for library in &libraries {
        let known = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-", "rtld(GNU_HASH)"];
        assert!(known.iter().any(|known| library.starts_with(known)), "{library} is asked for");
    }
    machine.write("/root/base.spec", &BASE.replace("PROVIDES", &libraries.join(", ")));
    machine.must("rpmbuild -bb /root/base.spec");
    let dnf = "dnf --quiet --assumeyes --disablerepo='*' --releasever=1 --setopt=cachedir=/tmp/dnf --nogpgcheck";
    machine.must(&format!("{dnf} install /root/rpmbuild/RPMS/noarch/base-1-1.noarch.rpm"));

    let said = machine.must(&format!("{dnf} install {} 2>&1", name(FIRST)));
    assert!(!said.contains("scriptlet") && !said.contains("rror"), "{said}");
    assert!(machine.must("getent passwd peerwatch").ends_with("nologin"), "its user is there");
    assert_eq!(machine.property("UnitFileState"), "enabled", "as the presets of this machine say");
    machine.must("systemctl start peerwatchd");
    assert_eq!([machine.property("ActiveState"), machine.property("NRestarts")], ["active", "0"]);
    machine.must("peerwatchctl status && peerwatchctl kv put motd hello");
    machine.must("rpm --verify peerwatch");

    machine.must("echo '# mine' >>/etc/peerwatch/peerwatch.toml");
    let old = machine.property("MainPID");
    machine.must(&format!("{dnf} upgrade {}", name(SECOND)));
    assert_eq!(machine.must("rpm --query --queryformat '%{VERSION}-%{RELEASE}' peerwatch"), SECOND);
    assert_eq!([machine.property("ActiveState"), machine.property("UnitFileState")], ["active", "enabled"]);
    assert_ne!(machine.property("MainPID"), old, "the new program runs");
    assert_eq!(machine.must("peerwatchctl kv get motd"), "hello");
    machine.must("grep --quiet '^# mine' /etc/peerwatch/peerwatch.toml");

    machine.must(&format!("{dnf} erase peerwatch"));
    assert_eq!(machine.must("pgrep --count peerwatchd || true"), "0");
    let left = machine.must("find / -xdev -path /packages -prune -o -path /root -prune -o -path '*peerwatch*' -print | sort");
    let kept: Vec<&str> = left.lines().filter(|path| !path.starts_with("/var/lib/peerwatch")).collect();
    // rpm keeps a configuration that was changed, under another name; the state is the administrator's.
    assert_eq!(kept, ["/etc/peerwatch", "/etc/peerwatch/peerwatch.toml.rpmsave"]);
    machine.must("test -e /var/lib/peerwatch/local/journal.db");
}
