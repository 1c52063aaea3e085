//! One executor is like another: each of these tests is written once, against the traits of `lockgate_client::executor`, and runs over every
//! transport, and in the process of the test itself.

mod cancel;
mod confined;
mod documents;
mod files;
mod house;
mod http;
mod judge;
mod listings;
mod local;
mod processes;
mod roots;

/// Runs each test in every place there is.
macro_rules! everywhere {
    ($($test:ident),* $(,)?) => {
        $(
            mod $test {
                use $crate::house::{House, Place};

                async fn at(place: Place) {
                    let house = House::at(place).await;
                    let test = super::$test(&house);
                    let in_time = tokio::time::timeout(3 * lockgate_e2e::DEADLINE, test).await;
                    in_time.expect("the test ends");
                    house.leave().await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn local() {
                    at(Place::Local).await;
                }

                #[tokio::test]
                async fn websocket() {
                    at(Place::Websocket).await;
                }

                #[tokio::test]
                async fn stdio() {
                    at(Place::Stdio).await;
                }

                #[tokio::test]
                async fn relay() {
                    at(Place::Relay).await;
                }

                #[tokio::test]
                async fn relay_encrypted() {
                    at(Place::RelayEncrypted).await;
                }
            }
        )*
    };
}
pub(crate) use everywhere;
