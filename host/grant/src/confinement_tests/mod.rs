#![allow(clippy::unwrap_used)]

mod attacks;
mod links;
mod made;
mod meaning;
mod narrowed;
mod shapes;
