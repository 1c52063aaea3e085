//! Tokens, as those see them who make and revoke them: in a file, or in the registry that several nodes share.

use std::time::Duration;

use lockgate_relay::registry::EnvironmentId;

use crate::clock::seconds;
use crate::cluster::{Bucket, ClusterError};
use crate::options::Place;
use crate::serve::RendezvousError;
use crate::signed::{self, Pass, Side};
use crate::store::{Store, StoreError};
use crate::token::{Token, TokenRole};

/// All tokens of one rendezvous.
#[derive(Debug)]
pub struct Tokens(In);

#[derive(Debug)]
enum In {
    File(Box<Store>),
    Nats(Box<Bucket>),
}

impl Tokens {
    /// Opens them, and makes a place for them where there is none.
    ///
    /// # Errors
    /// [`RendezvousError`].
    pub async fn open(place: &Place) -> Result<Tokens, RendezvousError> {
        Ok(Tokens(match place {
            Place::File(path) => In::File(Box::new(Store::open(path)?)),
            Place::Nats(nats) => In::Nats(Box::new(Bucket::open(nats).await?)),
        }))
    }

    /// Opens them where there are some.
    ///
    /// # Errors
    /// [`RendezvousError`], also where there is no file: a name that was mistyped makes no store.
    pub async fn existing(place: &Place) -> Result<Tokens, RendezvousError> {
        if let Place::File(path) = place {
            std::fs::metadata(path).map_err(|error| StoreError::Io {
                path: path.clone(),
                error,
            })?;
        }
        Tokens::open(place).await
    }

    /// Makes a token; gives the secret, which is shown once and kept nowhere. `token` says all but what is made here: its id and digest.
    ///
    /// # Errors
    /// [`RendezvousError`].
    pub async fn create(&mut self, token: Token) -> Result<(String, Token), RendezvousError> {
        Ok(match &mut self.0 {
            In::File(store) => store.create(token)?,
            In::Nats(bucket) => bucket.create(token).await?,
        })
    }

    /// Makes a token worthless.
    ///
    /// # Errors
    /// [`RendezvousError`].
    pub async fn revoke(&mut self, id: &str) -> Result<(), RendezvousError> {
        match &mut self.0 {
            In::File(store) => store.revoke(id)?,
            In::Nats(bucket) => bucket.revoke(id).await?,
        }
        Ok(())
    }

    /// All of them, the oldest first.
    ///
    /// # Errors
    /// [`RendezvousError`].
    pub async fn list(&self) -> Result<Vec<Token>, RendezvousError> {
        Ok(match &self.0 {
            In::File(store) => store.known().tokens().into_iter().cloned().collect(),
            In::Nats(bucket) => bucket.tokens().await?,
        })
    }

    /// A URL for a harness that has no token, such as one whose environment can only hold a URL: good for so long, or until the token `id` is
    /// revoked. `base`: how the rendezvous is reached, such as `wss://rendezvous.example`.
    ///
    /// # Errors
    /// [`RendezvousError`].
    pub async fn harness_url(
        &self,
        id: &str,
        base: &url::Url,
        lasts: Duration,
    ) -> Result<String, RendezvousError> {
        let tokens = self.list().await?;
        let token = tokens
            .iter()
            .find(|token| token.id == id)
            .ok_or_else(|| StoreError::NoToken(id.to_owned()))?;
        if !token.role.may_be(TokenRole::Harness) {
            let words = format!("the token {id} is for executors; a harness needs one of its own");
            return Err(RendezvousError::Url(words));
        }
        let environment: EnvironmentId = token
            .environment
            .parse()
            .map_err(|error| RendezvousError::Url(format!("{error}")))?;
        let pass = Pass {
            side: Side::Harness,
            environment,
            token: token.id.clone(),
            registration: String::new(),
            encrypts: false,
            expires: seconds() + lasts.as_secs(),
        };
        let base = base.as_str().trim_end_matches('/');
        let query = match &self.0 {
            In::File(store) => pass.query(store.known().key()),
            In::Nats(bucket) => {
                let none = || ClusterError::Registry("it has no key".to_owned());
                pass.query(&bucket.key().await?.ok_or_else(none)?)
            }
        };
        Ok(format!("{base}{}?{query}", signed::PATH))
    }
}
