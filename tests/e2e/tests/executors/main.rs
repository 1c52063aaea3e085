//! One executor is like another: each of these tests is written once, against the traits of `lockgate_client::executor`, and runs over every
//! transport, and in the process of the test itself.

mod cancel;
mod confined;
mod documents;
mod example;
mod files;
mod house;
mod http;
mod judge;
mod listings;
mod local;
mod processes;
mod roots;

pub(crate) use house::{House as Reached, everywhere};
