//! Facts about this host: its gateway, its name servers, its name, its system.
//!
//! They are read from the kernel's and the system's files each time they are asked for, since they
//! change; the readers are pure functions over text. Paths under `/proc` are this process's own, which
//! a sandbox leaves visible. Nothing is changed here, and a fact that cannot be read is simply absent.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use nix::net::if_::if_nametoindex;
use nix::sys::utsname::uname;

use crate::base::limits;

/// The default gateway: the IPv4 one, or else the IPv6 one.
#[must_use]
pub fn gateway() -> Option<IpAddr> {
    gateway_address().map(|address| address.ip())
}

/// The default gateway with its scope, which a link-local address needs to be reached; the port is 0.
#[must_use]
pub fn gateway_address() -> Option<SocketAddr> {
    let v4 = read("/proc/self/net/route").and_then(|table| gateway_in(&table));
    v4.map(|address| SocketAddr::new(address.into(), 0)).or_else(|| {
        let (address, interface) = read("/proc/self/net/ipv6_route").and_then(|table| gateway6_in(&table))?;
        let scope = if address.is_unicast_link_local() { if_nametoindex(interface.as_str()).ok()? } else { 0 };
        Some(SocketAddrV6::new(address, 0, 0, scope).into())
    })
}

/// The name servers of this host, in the order of the file. Where it names only systemd's own resolver
/// on this host, those that that one asks.
#[must_use]
pub fn name_servers() -> Vec<IpAddr> {
    let servers = read("/etc/resolv.conf").map(|text| name_servers_in(&text)).unwrap_or_default();
    if !servers.is_empty() && servers.iter().all(IpAddr::is_loopback) {
        let behind = read("/run/systemd/resolve/resolv.conf").map(|text| name_servers_in(&text)).unwrap_or_default();
        if !behind.is_empty() {
            return behind;
        }
    }
    servers
}

/// Whether an address is on a wire of this host, so that no router lies between.
#[must_use]
pub fn is_on_wire(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => read("/proc/self/net/route").is_some_and(|table| on_wire_in(&table, v4)),
        IpAddr::V6(v6) => read("/proc/self/net/ipv6_route").is_some_and(|table| on_wire6_in(&table, v6)),
    }
}

/// This host's name, or `localhost` where it has none.
#[must_use]
pub fn hostname() -> String {
    let name = uname().ok().and_then(|names| names.nodename().to_str().map(str::to_owned));
    name.filter(|name| !name.is_empty() && name != "(none)").unwrap_or_else(|| "localhost".to_owned())
}

/// The operating system and its kernel, in one line for people.
#[must_use]
pub fn system() -> String {
    let release = read("/etc/os-release").or_else(|| read("/usr/lib/os-release"));
    let names = uname().ok();
    let kernel = names.as_ref().and_then(|names| Some(format!("{} {}", names.sysname().to_str()?, names.release().to_str()?)));
    let parts: Vec<String> = [release.and_then(|text| pretty_name_in(&text)), kernel].into_iter().flatten().collect();
    if parts.is_empty() { "unknown system".to_owned() } else { parts.join(", ") }
}

/// The gateway of the best default route in the kernel's IPv4 table. Numbers there are hexadecimal, and
/// addresses in the byte order of this machine.
fn gateway_in(table: &str) -> Option<Ipv4Addr> {
    let number = |field: &&str| u32::from_str_radix(field, 16).ok();
    let routes = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, destination, gateway, flags, _, _, metric, mask, ..] = fields.as_slice() else { return None };
        let default = number(destination)? == 0 && number(mask)? == 0;
        let gateway = Ipv4Addr::from(number(gateway)?.to_ne_bytes());
        (default && usable(number(flags)?)).then_some((metric.parse::<u32>().ok()?, gateway))
    });
    routes.min_by_key(|(metric, _)| *metric).map(|(_, gateway)| gateway)
}

/// Whether the narrowest route to an address in the kernel's IPv4 table leads to it without a router. A route to everything
/// that names no router is that of a tunnel, and says nothing.
fn on_wire_in(table: &str, address: Ipv4Addr) -> bool {
    let number = |field: &&str| u32::from_str_radix(field, 16).ok();
    let routes = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, destination, gateway, flags, _, _, _, mask, ..] = fields.as_slice() else { return None };
        let native = |field: &&str| Some(u32::from_be_bytes(number(field)?.to_ne_bytes()));
        let (destination, mask) = (native(destination)?, native(mask)?);
        let leads = address.to_bits() & mask == destination && number(flags)? & UP != 0;
        leads.then_some((mask.count_ones(), native(gateway)? == 0))
    });
    routes.max_by_key(|(length, _)| *length).is_some_and(|(length, direct)| direct && 0 < length)
}

/// The same of the IPv6 table. Addresses of one link need no route.
fn on_wire6_in(table: &str, address: Ipv6Addr) -> bool {
    if address.is_unicast_link_local() {
        return true;
    }
    let routes = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [destination, length, _, _, gateway, _, _, _, flags, _] = fields.as_slice() else { return None };
        let destination = u128::from_str_radix(destination, 16).ok()?;
        let length = u32::from_str_radix(length, 16).ok().filter(|length| *length <= 128)?;
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let leads = address.to_bits() & mask == destination & mask && flags & UP != 0 && flags & REJECT == 0;
        leads.then_some((length, u128::from_str_radix(gateway, 16).ok()? == 0))
    });
    routes.max_by_key(|(length, _)| *length).is_some_and(|(length, direct)| direct && 0 < length)
}

/// Flags of routes in the kernel's tables.
const UP: u32 = 0x1;
const REJECT: u32 = 0x200;

/// The gateway in the IPv6 table, whose addresses are in the order in which they are written, and the
/// interface that leads there.
fn gateway6_in(table: &str) -> Option<(Ipv6Addr, String)> {
    let number = |field: &&str| u32::from_str_radix(field, 16).ok();
    let routes = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [destination, length, _, _, gateway, metric, _, _, flags, interface] = fields.as_slice() else { return None };
        let default = u128::from_str_radix(destination, 16).ok()? == 0 && number(length)? == 0;
        let gateway = Ipv6Addr::from(u128::from_str_radix(gateway, 16).ok()?);
        (default && usable(number(flags)?)).then(|| Some((number(metric)?, gateway, (*interface).to_owned())))?
    });
    routes.min_by_key(|(metric, _, _)| *metric).map(|(_, gateway, interface)| (gateway, interface))
}

/// Whether a route is up, leads over a gateway and is not one that refuses.
const fn usable(flags: u32) -> bool {
    const GATEWAY: u32 = 0x2;
    flags & (UP | GATEWAY | REJECT) == UP | GATEWAY
}

fn name_servers_in(text: &str) -> Vec<IpAddr> {
    let mut servers = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("nameserver") {
            continue;
        }
        let address = words.next().and_then(|word| word.split('%').next()).and_then(|word| word.parse().ok());
        if let Some(address) = address.filter(|address| !servers.contains(address)) {
            servers.push(address);
        }
        if servers.len() == limits::NAME_SERVERS {
            break;
        }
    }
    servers
}

fn pretty_name_in(text: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix("PRETTY_NAME="))?.trim();
    let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let name = quoted.unwrap_or(value).replace('\\', "");
    (!name.is_empty()).then(|| crate::base::outcome::clip(name))
}

/// A file's text, as far as its bound.
fn read(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(limits::HOST_FILE).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    /// A line of the IPv4 table, with the gateway in this machine's byte order.
    fn route(destination: &str, gateway: [u8; 4], flags: &str, metric: u32) -> String {
        let gateway = u32::from_ne_bytes(gateway);
        format!("eth0\t{destination}\t{gateway:08X}\t{flags}\t0\t0\t{metric}\t{destination}\t0\t0\t0\n")
    }

    #[test]
    fn the_gateway_is_that_of_the_best_default_route() {
        let table = [
            HEAD.to_owned(),
            route("00000000", [192, 0, 2, 9], "0003", 600),
            route("00000000", [192, 0, 2, 1], "0003", 100),
            route("00000000", [192, 0, 2, 7], "0001", 0),
            route("00FFFFFF", [192, 0, 2, 8], "0003", 0),
        ];
        assert_eq!(gateway_in(&table.concat()), Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(gateway_in(HEAD), None);
        assert_eq!(gateway_in("nonsense\nof\tany 1 2 3 4 5 6 7 8 kind\n"), None);
    }

    #[test]
    fn what_is_on_the_own_wire_is_found_by_the_narrowest_route() {
        let line = |destination: [u8; 4], gateway: [u8; 4], flags: &str, mask: [u8; 4]| {
            let hex = |bytes| format!("{:08X}", u32::from_ne_bytes(bytes));
            format!("eth0\t{}\t{}\t{flags}\t0\t0\t0\t{}\t0\t0\t0\n", hex(destination), hex(gateway), hex(mask))
        };
        let table = [
            HEAD.to_owned(),
            line([0; 4], [192, 0, 2, 1], "0003", [0; 4]),
            line([192, 0, 2, 0], [0; 4], "0001", [255, 255, 255, 0]),
            line([192, 0, 2, 128], [192, 0, 2, 9], "0003", [255, 255, 255, 128]),
        ];
        let near = |last: [u8; 4]| on_wire_in(&table.concat(), Ipv4Addr::from(last));
        assert!(near([192, 0, 2, 1]) && !near([192, 0, 2, 129]) && !near([9, 9, 9, 9]));
        let tunnel = [HEAD.to_owned(), line([0; 4], [0; 4], "0001", [0; 4])].concat();
        assert!(!on_wire_in(&tunnel, Ipv4Addr::new(9, 9, 9, 9)) && !on_wire_in("nonsense\n1 2 3", Ipv4Addr::LOCALHOST));
        let none = "00000000000000000000000000000000";
        let gateway = "fe800000000000000000000000000001";
        let wire = "20010db8000000000000000000000000";
        let table6 = format!(
            "{none} 00 {none} 00 {gateway} 00000064 00000001 00000000 00000003 eth0\n\
             {wire} 40 {none} 00 {none} 00000100 00000001 00000000 00000001 eth0\n"
        );
        let near6 = |text: &str| on_wire6_in(&table6, text.parse().unwrap());
        assert!(near6("2001:db8::7") && near6("fe80::9") && !near6("2001:db8:1::7"));
    }

    #[test]
    fn the_gateway_of_ipv6_comes_with_its_interface() {
        let zero = "0".repeat(32);
        let link = "fe800000000000000000000000000001";
        let table = format!(
            "fd{z} 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001 eth0\n\
             {zero} 00 {zero} 00 {link} 00000400 00000002 00000000 00000003 wlan0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n",
            z = "0".repeat(30)
        );
        assert_eq!(gateway6_in(&table), Some((Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1), "wlan0".to_owned())));
        assert_eq!(gateway6_in(""), None);
    }

    #[test]
    fn name_servers_are_bounded_addresses_without_repetition() {
        let text =
            "# comment\nsearch example.org\nnameserver 192.0.2.53\nnameserver\tfe80::1%eth0\nnameserver 192.0.2.53\nnameserver oops\n";
        assert_eq!(name_servers_in(text), ["192.0.2.53", "fe80::1"].map(|address| address.parse::<IpAddr>().unwrap()));
        let many: String = (0..100).map(|last| format!("nameserver 192.0.2.{last}\n")).collect();
        assert_eq!(name_servers_in(&many).len(), limits::NAME_SERVERS);
    }

    #[test]
    fn the_systems_name_is_read_with_and_without_quotes() {
        assert_eq!(
            pretty_name_in("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n").as_deref(),
            Some("Debian GNU/Linux 13 (trixie)")
        );
        assert_eq!(pretty_name_in("PRETTY_NAME=Tiny\n").as_deref(), Some("Tiny"));
        assert_eq!(pretty_name_in("PRETTY_NAME=\"\"\n"), None);
        assert_eq!(pretty_name_in("NAME=x\n"), None);
    }

    #[test]
    fn this_host_has_a_name_and_a_system() {
        assert!(!hostname().is_empty());
        assert!(system().contains("Linux "), "{}", system());
    }
}
