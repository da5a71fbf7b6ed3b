//! Introspection one level at a time.
//!
//! The library describes an object together with everything below it: with thousands of targets the
//! answer for the root would be longer than the bus lets through, and the bus would cut the daemon
//! off for it. So whatever has many objects below it is described here, with its children by name
//! only; clients ask on.

use zbus::object_server::Interface;
use zbus::{Connection, ObjectPath, fdo, interface};

/// Describes one object and names its children.
struct Outline {
    own: String,
    children: Box<dyn Fn() -> Vec<String> + Send + Sync>,
}

#[interface(name = "org.freedesktop.DBus.Introspectable", introspection_docs = false)]
impl Outline {
    #[zbus(out_args("xml_data"))]
    fn introspect(&self) -> String {
        let children: String = (self.children)().iter().map(|name| format!("  <node name=\"{name}\"/>\n")).collect();
        let standard = describe(self) + &describe(&fdo::Properties) + PEER;
        format!("{HEAD}<node>\n{standard}{}{children}</node>\n", self.own)
    }
}

/// An interface as introspection describes it.
pub(super) fn describe(interface: &impl Interface) -> String {
    let mut xml = String::new();
    interface.introspect_to_writer(&mut xml, 2);
    xml
}

/// Replaces the library's description of an object by its own interfaces and its children's names.
pub(super) async fn cover<'p>(
    bus: &Connection,
    path: impl Into<ObjectPath<'p>>,
    own: String,
    children: impl Fn() -> Vec<String> + Send + Sync + 'static,
) -> zbus::Result<()> {
    let path = path.into();
    bus.object_server().remove_named(&path, Outline::name()).await?;
    bus.object_server().at(&path, Outline { own, children: Box::new(children) }).await?;
    Ok(())
}

const HEAD: &str = r#"<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
"#;

const PEER: &str = r#"  <interface name="org.freedesktop.DBus.Peer">
    <method name="Ping"/>
    <method name="GetMachineId">
      <arg name="machine_uuid" type="s" direction="out"/>
    </method>
  </interface>
"#;
