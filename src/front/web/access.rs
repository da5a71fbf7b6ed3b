//! Who may change something over HTTP: whoever shows the token of this node, and nobody if it has none.
//!
//! The page itself has no login and only reads. A request that changes must not come from another
//! site's page either, although such a page could not know the token.

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use super::Trouble;

/// The rights that this node gives. Only the hash of the token is kept.
#[derive(Clone, Debug, Default)]
pub struct Access {
    token: Option<blake3::Hash>,
}

impl Access {
    /// Whoever shows this token may change what can be changed; without one, nobody.
    #[must_use]
    pub fn new(token: Option<&str>) -> Self {
        Self { token: token.map(|token| blake3::hash(token.as_bytes())) }
    }

    /// Whether a request with these headers may change something.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Trouble> {
        if is_foreign(headers) {
            let (error, remedy) = ("the request comes from another site's page", "Send it from a program, or from this node's own page.");
            return Err(Trouble::new(StatusCode::FORBIDDEN, error, remedy));
        }
        let Some(token) = &self.token else {
            let remedy = "Put a secret of at least 16 characters into a file, name it with token-file in [web] of peerwatch.toml (or \
                          give the credential peerwatch.web-token), reload, and send it as Authorization: Bearer TOKEN. \
                          On the host itself peerwatchctl needs no token.";
            return Err(Trouble::new(StatusCode::FORBIDDEN, "nothing can be changed here: this node has no web token", remedy));
        };
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        // Hashes are compared in constant time, so that the time of an answer tells nothing of the token.
        if shown.is_some_and(|(_, shown)| blake3::hash(shown.trim().as_bytes()) == *token) {
            return Ok(());
        }
        let remedy = "Send this node's web token, as in curl -H \"Authorization: Bearer $TOKEN\".";
        Err(Trouble::new(StatusCode::UNAUTHORIZED, "the token is missing or wrong", remedy))
    }
}

/// Browsers say where a request comes from; programs do not, and need not.
fn is_foreign(headers: &HeaderMap) -> bool {
    if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return true;
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(|text| text.parse::<Uri>().ok());
        origin.and_then(|origin| origin.authority().map(ToString::to_string))
    };
    headers.get(header::ORIGIN).is_some_and(|value| origin(value).as_deref() != text(header::HOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(token: Option<&str>, headers: &[(&'static str, &'static str)]) -> u16 {
        let map = headers.iter().map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_static(value))).collect();
        Access::new(token).check(&map).map_or_else(|trouble| trouble.status.as_u16(), |()| 200)
    }

    #[test]
    fn only_the_token_opens_and_only_to_who_is_not_another_sites_page() {
        let token = Some("sixteen-letters!");
        let right = ("authorization", "Bearer sixteen-letters!");
        let host = ("host", "node:9631");
        assert_eq!(status(token, &[right]), 200);
        assert_eq!(status(token, &[("authorization", "bearer sixteen-letters!")]), 200);
        assert_eq!(status(token, &[right, host, ("origin", "http://node:9631"), ("sec-fetch-site", "same-origin")]), 200);
        assert_eq!(status(None, &[right]), 403);
        assert_eq!(status(None, &[("authorization", "Bearer ")]), 403);
        for wrong in ["Bearer sixteen-letters", "Bearer", "Basic sixteen-letters!", "sixteen-letters!", "Bearer "] {
            assert_eq!(status(token, &[("authorization", wrong)]), 401, "{wrong}");
        }
        assert_eq!(status(token, &[]), 401);
        assert_eq!(status(token, &[right, host, ("origin", "http://evil.example")]), 403);
        assert_eq!(status(token, &[right, host, ("origin", "null")]), 403);
        assert_eq!(status(token, &[right, ("sec-fetch-site", "cross-site")]), 403);
    }

    #[test]
    fn the_token_is_not_told() {
        assert!(!format!("{:?}", Access::new(Some("sixteen-letters!"))).contains("sixteen"));
    }
}
