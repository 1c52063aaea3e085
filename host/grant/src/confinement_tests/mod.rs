#![allow(clippy::unwrap_used)]

mod links;
mod made;
mod meaning;
mod shapes;
