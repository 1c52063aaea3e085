//! What goes wrong while it runs.

use std::arch::wasm32::{memory_grow, memory_size};
use std::hint::black_box;

use lockgate_policy::bindings::lockgate::policy::{config, log};
use log::Level;

/// Does one, if there is one of that name. Most never come back.
pub(crate) fn done(deed: &str) {
    match deed {
        "spin" => loop {
            black_box(());
        },
        // Never more than a moment in the guest: each turn is a call of the host.
        "call" => loop {
            black_box(config::text());
        },
        "flood" => loop {
            log::log(Level::Error, "flood");
        },
        // And then answers as if nothing had been.
        "burst" => {
            for number in 0..10_000 {
                log::log(Level::Info, &format!("line {number}"));
            }
        }
        "chatter" => {
            log::log(Level::Warn, "two\nlines \u{1b}[31m\u{202e}");
            log::log(Level::Debug, &"long ".repeat(200_000));
            log::log(Level::Info, "");
        }
        "grow" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(black_box(vec![1u8; 1 << 20]));
            }
        }
        // Within any ceiling, and leaves something there.
        "swell" => drop(black_box(vec![1u8; 1 << 20])),
        "recurse" => {
            black_box(deeper(0));
        }
        "panic" => panic!("on purpose"),
        "hide" => hide_secrets(),
        deed => {
            if let Some(mib) = deed.strip_prefix("fill-") {
                fill(mib.parse().unwrap_or(1));
            }
        }
    }
}

/// Fills so many MiB again and again, each time in a single instruction, which nothing interrupts.
fn fill(mib: usize) -> ! {
    memory_grow::<0>(mib << 4);
    let end = memory_size::<0>() << 16;
    let begin = end - (mib << 20);
    loop {
        // SAFETY: these pages were just added, if there was room for them, and belong to nobody. If not, this ends the instance.
        unsafe { std::ptr::write_bytes(black_box(begin as *mut u8), 1, mib << 20) };
    }
}

fn deeper(depth: u64) -> u64 {
    black_box(depth)
        + match depth {
            u64::MAX => 0,
            _ => deeper(black_box(depth + 1)),
        }
}

/// Takes pages one by one until there are no more, and tells how many it has. It does not mind.
pub(crate) fn grown() -> usize {
    while memory_grow::<0>(1) != usize::MAX {}
    memory_size::<0>()
}

const SECRET: usize = 32;

/// Each byte of the secret, which stands nowhere as it is, so that what looks for it does not find itself.
fn secret(index: usize) -> u8 {
    black_box(0xa5 ^ (index as u8).wrapping_mul(37))
}

/// Leaves the secret in a thousand places, on the heap and in pages of its own, for the next instance to find.
fn hide_secrets() {
    for _ in 0..1000 {
        let bytes: Vec<u8> = (0..SECRET).map(secret).collect();
        std::mem::forget(black_box(bytes));
    }
}

/// How often the secret stands in this instance's memory.
pub(crate) fn secrets_found() -> usize {
    let end = memory_size::<0>() << 16;
    // SAFETY: all of this instance's memory is there to be read, whoever in it it belongs to; it is read byte by byte, as it may change.
    let byte = |address: usize| unsafe { std::ptr::read_volatile(address as *const u8) };
    (1..end - SECRET)
        .filter(|start| (0..SECRET).all(|index| byte(start + index) == secret(index)))
        .count()
}
