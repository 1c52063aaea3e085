//! The component that the host has built in: `guest/fs` and nothing else.

use lockgate_guest_fs::{FileGuest, bindings};

bindings::export!(FileGuest with_types_in bindings);
