//! The special place `minimal`: what programs need to start. It only ever adds reading.

use crate::confinement::Host;
use crate::grants::Allowed;
use crate::path::AbsPath;
use crate::rules::{Rule, Rules, Skipped};
use crate::spellings::Replaceable;

/// System libraries, and of `/etc` what their loader, names and certificates need.
const MINIMAL: [&str; 21] = [
    "/bin",
    "/sbin",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/run/current-system/sw",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/etc/ssl",
];

/// Its places.
pub(crate) fn places() -> impl Iterator<Item = AbsPath> {
    MINIMAL
        .iter()
        .filter_map(|place| AbsPath::parse(place).ok())
}

impl<H: Host> Rules<'_, H> {
    /// Reading of `minimal`, as far as others allow nothing there and have no rule of their own for it.
    pub(crate) fn read_minimal(&mut self, skip_missing: bool, replaceable: &Replaceable) {
        for path in places() {
            let place = self.host.place(&path).ok();
            let mut spellings = vec![path];
            // A place that cannot be told is none that the gate could reach.
            if let Some(place) = place {
                if skip_missing && !place.exists {
                    self.skipped.push(Skipped {
                        linked: !place.links.is_empty(),
                        place: place.canonical,
                        allowed: Allowed::Read,
                    });
                    continue;
                }
                if !replaceable.any(&place.links) {
                    spellings.push(place.canonical);
                }
            }
            for path in spellings {
                if self.allowed(&path) == Allowed::Nothing {
                    self.rules.entry(path).or_insert(Rule {
                        allowed: Allowed::Read,
                        hold: false,
                    });
                }
            }
        }
    }
}
