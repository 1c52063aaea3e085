//! The smallest program that can be a keeper, for tests, which are none themselves.

fn main() {
    lockgate_process::keeper::run_if_asked();
    println!("this is started by tests, to be a keeper");
}
