//! Executors that are connected and have nothing to do.

use lockgate_client::{Credentials, Registry};
use lockgate_relay::driver::dial;
use lockgate_relay::noise::Identity;
use lockgate_relay::registry::EnvironmentId;

use super::{rendezvous, runtime, token};
use crate::failure::Failure;
use crate::probe::Scene;
use crate::subject::Subject;
use crate::{limits, tree};

/// Resident KiB of a rendezvous with so many of them, each of another environment and registered for encrypted streams.
pub(crate) fn memory_of_executors(
    scene: &mut Scene<'_>,
    subject: &Subject,
) -> Result<f64, Failure> {
    let name = scene.process_id();
    let (rendezvous, store) = rendezvous(scene, subject, &name)?;
    let mut held = Vec::new();
    for number in 0..limits::IDLE_CONNECTIONS {
        let name = format!("idle-{number}");
        let credentials = Credentials::Token {
            token: token(subject, &store, &name)?,
            from: "the bench".to_owned(),
        };
        let wrong = |error: String| Failure::Wrong(error);
        let environment: EnvironmentId = name.parse().map_err(|error| wrong(format!("{error}")))?;
        let registry = Registry::new(&rendezvous.url, credentials)
            .map_err(|error| wrong(error.to_string()))?;
        let identity = Identity::generate();
        let socket = runtime()?.block_on(async {
            let registration = registry
                .register(&environment, Some(identity.public()))
                .await
                .map_err(|error| wrong(error.to_string()))?;
            dial(&registration.url)
                .await
                .map_err(|error| wrong(error.to_string()))
        })?;
        held.push(socket);
    }
    let (resident, _) = tree::memory(rendezvous.root());
    Ok(resident)
}
