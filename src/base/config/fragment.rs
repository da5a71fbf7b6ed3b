//! What a file may say: every key of both files, all of them optional, none of them checked.
//!
//! These types are the shape of the text and nothing else. Values that people write in several forms
//! (`"all"`, a number or a list) stay raw ([`Any`]) until `value` reads them.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::{Spanned, Value};

/// Text with its place.
pub(super) type Text = Spanned<String>;
/// A whole number with its place.
pub(super) type Whole = Spanned<i64>;
/// A list of texts with its place.
pub(super) type Texts = Spanned<Vec<Text>>;
/// Anything with its place.
pub(super) type Any = Spanned<Value>;
/// `[[entry]]` tables with the place of each header.
pub(super) type Entries<T> = Vec<Spanned<Table<T>>>;

/// A table and never a list: what serde derives for a struct would also take a list of its fields
/// in order.
#[derive(Debug, Default)]
pub(super) struct Table<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMap<T> {
            type Value = Table<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Table)
            }
        }

        deserializer.deserialize_any(OnlyMap(PhantomData))
    }
}

/// Declares tables of a file: all keys optional and in kebab-case, unknown ones refused.
macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Default, Deserialize)]
            #[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
            pub(super) struct $name {
                $(pub(super) $field: $kind,)*
            }
        )*
    };
}

tables! {
    /// `peerwatch.toml`, or a drop-in of it.
    HostFile {
        node: Table<HostNode>,
        listen: Table<Listen>,
        web: Table<Web>,
        network: Entries<HostNetwork>,
        mail: Option<Spanned<Table<Mail>>>,
        secret: Entries<HostSecret>,
        hook: Entries<HostHook>,
    }
    /// `[[secret]]` of a host.
    HostSecret {
        name: Option<Text>,
        file: Option<Text>,
    }
    /// `[[hook]]` of a host.
    HostHook {
        name: Option<Text>,
        command: Option<Texts>,
    }
    /// `[node]` of a host.
    HostNode {
        name: Option<Text>,
    }
    /// `[listen]`.
    Listen {
        mesh: Option<Text>,
        web: Option<Text>,
    }
    /// `[web]`.
    Web {
        token_file: Option<Text>,
    }
    /// `[[network]]` of a host.
    HostNetwork {
        name: Option<Text>,
    }
    /// `[mail]` of a host.
    Mail {
        server: Option<Text>,
        tls: Option<Text>,
        user: Option<Text>,
        password_file: Option<Text>,
        dry_run: Option<Spanned<bool>>,
        sendmail: Option<Text>,
    }
}

tables! {
    /// `network.toml`.
    NetworkFile {
        id: Option<Text>,
        split: Option<Text>,
        reference: Option<Texts>,
        lease: Option<Any>,
        defaults: Table<Defaults>,
        journal: Table<Journal>,
        node: Entries<Node>,
        target: Entries<Target>,
        notify: Entries<Notify>,
        maintenance: Entries<Maintenance>,
    }
    /// `[defaults]`.
    Defaults {
        interval: Option<Any>,
        timeout: Option<Any>,
        confirm: Option<Table<Confirm>>,
        flap: Option<Table<Flap>>,
        watchers: Option<Any>,
        quorum: Option<Any>,
    }
    /// `confirm = { … }`.
    Confirm {
        bad: Option<Whole>,
        good: Option<Whole>,
    }
    /// `flap = { … }`.
    Flap {
        count: Option<Whole>,
        within: Option<Any>,
        steady: Option<Any>,
    }
    /// `[journal]`.
    Journal {
        size: Option<Any>,
    }
    /// `[[node]]` of a network.
    Node {
        name: Option<Text>,
        address: Option<Texts>,
        role: Option<Text>,
        expected: Option<Text>,
    }
    /// `[[target]]`.
    Target {
        name: Option<Text>,
        group: Option<Text>,
        icmp: Option<Spanned<Table<Icmp>>>,
        tcp: Option<Spanned<Table<Tcp>>>,
        http: Option<Spanned<Table<Http>>>,
        interval: Option<Any>,
        timeout: Option<Any>,
        confirm: Option<Table<Confirm>>,
        flap: Option<Table<Flap>>,
        degraded: Option<Table<Degraded>>,
        watchers: Option<Any>,
        quorum: Option<Any>,
        depends: Option<Texts>,
        expected: Option<Text>,
        runbook: Option<Text>,
        severity: Option<Text>,
    }
    /// `icmp = { … }`.
    Icmp {
        host: Option<Text>,
        count: Option<Whole>,
        gap: Option<Any>,
        size: Option<Whole>,
    }
    /// `tcp = { … }`.
    Tcp {
        host: Option<Text>,
        port: Option<Whole>,
        send: Option<Text>,
        expect: Option<Text>,
    }
    /// `http = { … }`.
    Http {
        url: Option<Text>,
        method: Option<Text>,
        headers: BTreeMap<String, Text>,
        status: Option<Any>,
        body: Option<Text>,
        certificate_days: Option<Whole>,
    }
    /// `degraded = { … }`.
    Degraded {
        loss: Option<Spanned<f64>>,
        rtt: Option<Any>,
    }
    /// `[[notify]]`.
    Notify {
        name: Option<Text>,
        mail: Option<Spanned<Table<NotifyMail>>>,
        webhook: Option<Spanned<Table<NotifyWebhook>>>,
        hook: Option<Text>,
        on: Option<Texts>,
        group: Option<Any>,
        targets: Option<Texts>,
        groups: Option<Texts>,
        hours: Option<Any>,
        zone: Option<Text>,
        severity: Option<Texts>,
        remind: Option<Any>,
        escalate: Option<Any>,
    }
    /// `[[maintenance]]`.
    Maintenance {
        name: Option<Text>,
        targets: Option<Texts>,
        groups: Option<Texts>,
        every: Option<Any>,
        from: Option<Any>,
        to: Option<Any>,
        zone: Option<Text>,
    }
    /// `webhook = { … }` of a channel.
    NotifyWebhook {
        url: Option<Text>,
        preset: Option<Text>,
        to: Option<Text>,
        secret: Option<Text>,
        sign: Option<Text>,
        method: Option<Text>,
        headers: BTreeMap<String, Text>,
        body: Option<Any>,
    }
    /// `mail = { … }` of a channel.
    NotifyMail {
        to: Option<Texts>,
        from: Option<Text>,
    }
}
