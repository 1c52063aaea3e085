//! Words for the operator; no client sees them. The host bounds their lines and bytes for each decision.

pub use crate::bindings::lockgate::policy::log::Level;

/// Logs one message. The macros [`debug!`](crate::debug), [`info!`](crate::info), [`warn!`](crate::warn) and [`error!`](crate::error) format one first.
pub fn write(level: Level, message: &str) {
    #[cfg(target_family = "wasm")]
    crate::bindings::lockgate::policy::log::log(level, message);
    // In a policy's own tests.
    #[cfg(not(target_family = "wasm"))]
    eprintln!("{level:?}: {message}");
}

/// Logs for whoever looks for a fault, like `println!`.
#[macro_export]
macro_rules! debug {
    ($($words:tt)+) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($words)+)) };
}

/// Logs what is worth knowing, like `println!`.
#[macro_export]
macro_rules! info {
    ($($words:tt)+) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($words)+)) };
}

/// Logs what somebody should look at, like `println!`.
#[macro_export]
macro_rules! warn {
    ($($words:tt)+) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($words)+)) };
}

/// Logs what failed, like `println!`.
#[macro_export]
macro_rules! error {
    ($($words:tt)+) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($words)+)) };
}
