//! HTTP basic authentication (RFC 7617) against bcrypt hashes.
//!
//! A right password is remembered by a keyed digest, so that a steady scraper costs one bcrypt and not one per scrape.
//! A wrong one, or an unknown user, always costs a bcrypt of the same weight: the time taken tells nothing.

use crate::base::base64;
use crate::base::secret::Secret;
use hyper::header::HeaderValue;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use tokio::sync::Semaphore;

/// bcrypt runs at once; more wait in line. Two: guesses by one client leave a lane for another, and never a third core.
const BCRYPTS: usize = 2;

/// Who was let in before: user → keyed digest of (hash, password).
pub struct Porter {
    keys: [RandomState; 2],
    known: Mutex<HashMap<String, [u64; 2]>>,
    lanes: Semaphore,
}

impl Default for Porter {
    fn default() -> Self {
        Porter {
            keys: [RandomState::new(), RandomState::new()],
            known: Mutex::default(),
            lanes: Semaphore::new(BCRYPTS),
        }
    }
}

impl Porter {
    /// Whether an `Authorization` header names one of `users` (user → bcrypt hash) with the right password.
    pub async fn admits(&self, users: &BTreeMap<String, String>, header: Option<&HeaderValue>) -> bool {
        let Some((user, password)) = header.and_then(credentials) else { return false };
        let (hash, exists) = match users.get(&user) {
            Some(hash) => (hash, true),
            None => match users.values().next() {
                Some(other) => (other, false),
                None => return false,
            },
        };
        let digest = self.keys.each_ref().map(|key| key.hash_one((hash, password.expose())));
        if exists && self.lock().get(&user) == Some(&digest) {
            return true;
        }
        let hash = hash.clone();
        let Ok(_lane) = self.lanes.acquire().await else { return false };
        let checked = tokio::task::spawn_blocking(move || bcrypt::verify(password.expose(), &hash).unwrap_or(false));
        let right = checked.await.unwrap_or(false) && exists;
        if right {
            let mut known = self.lock();
            known.retain(|name, _| users.contains_key(name));
            known.insert(user, digest);
        }
        right
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, [u64; 2]>> {
        self.known.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// User and password of `Basic <base64(user:password)>`.
fn credentials(header: &HeaderValue) -> Option<(String, Secret)> {
    let (scheme, code) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(base64::decode(code.trim())?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), Secret::new(password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_as_rfc_7617_says() {
        let header = HeaderValue::from_static("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let (user, password) = credentials(&header).unwrap();
        assert_eq!((user.as_str(), password.expose()), ("Aladdin", "open sesame"));
        for bad in ["Basic", "Bearer QQ==", "Basic !!", "Basic QQ=="] {
            assert!(credentials(&HeaderValue::from_str(bad).unwrap()).is_none(), "{bad}");
        }
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_is_let_in() {
        let porter = Porter::default();
        let users = BTreeMap::from([("alice".to_owned(), bcrypt::hash("secret", 4).unwrap())]);
        let header = |code| Some(HeaderValue::from_static(code));
        let cases = [
            (header("Basic YWxpY2U6c2VjcmV0"), true),      // alice:secret
            (header("Basic YWxpY2U6c2VjcmV0"), true),      // again, remembered
            (header("Basic YWxpY2U6c2VjcmV1"), false),     // alice:secreu
            (header("Basic bWFsbG9yeTpzZWNyZXQ="), false), // mallory:secret
            (None, false),
        ];
        for (header, wanted) in cases {
            assert_eq!(porter.admits(&users, header.as_ref()).await, wanted, "{header:?}");
        }
        let changed = BTreeMap::from([("alice".to_owned(), bcrypt::hash("other", 4).unwrap())]);
        assert!(!porter.admits(&changed, header("Basic YWxpY2U6c2VjcmV0").as_ref()).await, "a changed hash forgets");
    }
}
