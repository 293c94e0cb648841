//! GET and HEAD: from what is stored, or from the origin.

use std::sync::Arc;

use freshness::{
    CacheStatus, Forwarded, Freshened, Judgement, Policy, Received, RequestDirectives, Selection, Trouble, Vary,
    Verdict,
};
use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE};
use http::{HeaderMap, Method, Response, StatusCode};

use super::answer::{of_stored, plain, told};
use super::content::Content;
use super::flight::{self, Waited};
use super::origin::{Answer, Unreachable};
use super::stored::{Fill, Found, Stored};
use super::{Asked, NAME, Proxy};

impl Proxy {
    pub async fn read(self: Arc<Self>, asked: Asked) -> Response<Content> {
        let mut has_waited = false;
        loop {
            let directives = RequestDirectives::read(&asked.headers);
            let (now, found) = (self.clock.now(), self.store.lock().find(&asked.url, &asked.headers));
            let judgement = Judgement { request: &directives, stored: found.this().map(|stored| &stored.policy), now };
            let verdict = judgement.verdict();
            match (verdict, &found) {
                (Verdict::GatewayTimeout, _) => return refused(),
                (Verdict::Fresh | Verdict::StaleAsAsked, Found::This(stored)) => {
                    let status = if has_waited { collapsed() } else { CacheStatus::Hit };
                    return of_stored(stored, &asked, now, status);
                }
                (Verdict::StaleWhileRevalidate, Found::This(stored)) => {
                    self.clone().refresh(&asked, stored);
                    return of_stored(stored, &asked, now, CacheStatus::Hit);
                }
                _ => {}
            }
            let why = match (&found, Forwarded::by(verdict)) {
                (Found::Others, _) => Forwarded::VaryMiss,
                (_, why) => why.unwrap_or(Forwarded::Miss),
            };
            if asked.method == Method::HEAD {
                return self.head(&asked, found, why).await;
            }
            // What is asked for with conditions or in parts fills nothing, so that waiting for it helps nobody.
            let is_own = [RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE].iter().any(|name| asked.headers.contains_key(name));
            if has_waited || is_own {
                return self.fetch(&asked, found.this(), why).await;
            }
            match self.flights.begin(&asked.url) {
                Ok(flight) => {
                    let answer = self.fetch(&asked, found.this(), why).await;
                    flight.land();
                    return answer;
                }
                Err(other) => has_waited = flight::wait(other).await == Waited::Landed,
            }
        }
    }

    /// Asks anew in the background, unless somebody does already.
    fn refresh(self: Arc<Self>, asked: &Asked, stored: &Arc<Stored>) {
        let Ok(flight) = self.flights.begin(&asked.url) else { return };
        let (mut asked, stored) = (asked.clone(), stored.clone());
        asked.method = Method::GET;
        tokio::spawn(async move {
            let _answer = self.fetch(&asked, Some(&stored), Forwarded::Stale).await;
            flight.land();
        });
    }

    async fn fetch(&self, asked: &Asked, stored: Option<&Arc<Stored>>, why: Forwarded) -> Response<Content> {
        let fill = Fill::begin(&self.store, &asked.url);
        let mut question = asked.clone();
        let is_conditional =
            stored.is_some_and(|stored| freshness::ask_whether_current(&mut question.headers, &stored.headers));
        let mut answer = match self.origin.ask(&question, &*self.clock).await {
            Ok(answer) => answer,
            Err(Unreachable) => return self.without_origin(asked, stored, why),
        };
        if let Some(stored) = stored {
            if is_conditional && answer.status == StatusCode::NOT_MODIFIED {
                if freshness::is_about(&stored.headers, &answer.headers) {
                    return self.confirmed(asked, stored, &answer, why, &fill);
                }
                self.store.lock().discard(&asked.url, &stored.selection);
                return Box::pin(self.fetch(asked, None, why)).await;
            }
            if let Some(stale) = self.after_error(asked, stored, why, Trouble::Status(answer.status)) {
                return stale;
            }
        }
        let is_stored = match self.store_answer(asked, &mut answer, &fill).await {
            Ok(is_stored) => is_stored,
            Err(broken) => return broken,
        };
        self.newly_answered(asked, stored, answer, why, is_stored)
    }

    /// What the origin has just said: if it is stored now, as this client wants it.
    fn newly_answered(
        &self,
        asked: &Asked,
        before: Option<&Arc<Stored>>,
        answer: Answer,
        why: Forwarded,
        is_stored: bool,
    ) -> Response<Content> {
        let status = CacheStatus::Forwarded { why, status: None, is_stored, is_collapsed: false };
        // The origin was asked a question of the cache's own, so what the client asked beside it is still to be answered.
        if is_stored && before.is_some() {
            let (now, found) = (self.clock.now(), self.store.lock().find(&asked.url, &asked.headers));
            if let Found::This(stored) = found {
                return of_stored(&stored, asked, now, status);
            }
        }
        if let Some(before) = before.filter(|_| !is_stored && !answer.status.is_server_error()) {
            // The truth has changed, and may not be stored: then the old one may not be either.
            self.store.lock().discard(&asked.url, &before.selection);
        }
        told(answer, status)
    }

    /// Reads the answer to its end and stores it, where that may be.
    pub(super) async fn store_answer(
        &self,
        asked: &Asked,
        answer: &mut Answer,
        fill: &Fill<'_>,
    ) -> Result<bool, Response<Content>> {
        let policy = Policy::read(&self.rules, answer.status, &answer.headers, answer.received);
        let request = freshness::Asked { method: &asked.method, target: &asked.url, headers: &asked.headers };
        if freshness::may_store(request, answer.status, &answer.headers, &policy).is_err() {
            return Ok(false);
        }
        let Some(selection) = Selection::of(&Vary::read(&answer.headers), &asked.headers) else { return Ok(false) };
        let Ok(body) = answer.content.read().await else { return Err(plain(StatusCode::BAD_GATEWAY)) };
        let Some(body) = body else { return Ok(false) };
        let headers = freshness::stored(&answer.headers, &policy);
        let stored = Stored { status: answer.status, headers, body, policy, selection, asked: answer.received.asked };
        Ok(fill.put(stored))
    }

    /// The origin says that what is stored is still right.
    fn confirmed(
        &self,
        asked: &Asked,
        stored: &Stored,
        answer: &Answer,
        why: Forwarded,
        fill: &Fill<'_>,
    ) -> Response<Content> {
        let (updated, may_stay) = self.updated(asked, stored, &answer.headers, answer.received);
        let is_stored = may_stay && fill.put(updated.clone());
        if !may_stay {
            self.store.lock().discard(&asked.url, &stored.selection);
        }
        let status = CacheStatus::Forwarded { why, status: Some(answer.status), is_stored, is_collapsed: false };
        of_stored(&updated, asked, self.clock.now(), status)
    }

    /// What is stored with the fields of a newer answer, and whether it may still be stored.
    fn updated(&self, asked: &Asked, stored: &Stored, fresh: &HeaderMap, received: Received) -> (Stored, bool) {
        let mut headers = stored.headers.clone();
        freshness::update(&mut headers, fresh);
        let policy = Policy::read(&self.rules, stored.status, &headers, received);
        let request = freshness::Asked { method: &Method::GET, target: &asked.url, headers: &asked.headers };
        let may_stay = freshness::may_store(request, stored.status, &headers, &policy).is_ok();
        let headers = freshness::stored(&headers, &policy);
        (Stored { headers, policy, asked: received.asked, ..stored.clone() }, may_stay)
    }

    fn without_origin(&self, asked: &Asked, stored: Option<&Arc<Stored>>, why: Forwarded) -> Response<Content> {
        match stored {
            Some(stored) => self
                .after_error(asked, stored, why, Trouble::Unreachable)
                .unwrap_or_else(|| plain(StatusCode::GATEWAY_TIMEOUT)),
            None => plain(StatusCode::BAD_GATEWAY),
        }
    }

    fn after_error(
        &self,
        asked: &Asked,
        stored: &Stored,
        why: Forwarded,
        trouble: Trouble,
    ) -> Option<Response<Content>> {
        let (request, now) = (RequestDirectives::read(&asked.headers), self.clock.now());
        let judgement = Judgement { request: &request, stored: Some(&stored.policy), now };
        let failed = match trouble {
            Trouble::Status(status) => Some(status),
            Trouble::Unreachable => None,
        };
        let status = CacheStatus::Forwarded { why, status: failed, is_stored: false, is_collapsed: false };
        judgement.may_follow_error(trouble).then(|| of_stored(stored, asked, now, status))
    }

    /// Hands a HEAD on, and learns from its answer about what is stored for GET.
    async fn head(&self, asked: &Asked, found: Found, why: Forwarded) -> Response<Content> {
        let fill = Fill::begin(&self.store, &asked.url);
        let answer = self.origin.ask(asked, &*self.clock).await;
        if let (Found::This(stored), Ok(answer)) = (&found, &answer) {
            match freshness::freshen(stored.status, &stored.headers, answer.status, &answer.headers) {
                Freshened::Updated => {
                    let (updated, may_stay) = self.updated(asked, stored, &answer.headers, answer.received);
                    if may_stay {
                        fill.put(updated);
                    }
                }
                Freshened::Outdated => self.store.lock().discard(&asked.url, &stored.selection),
                Freshened::Untouched => {}
            }
        }
        match answer {
            Ok(answer) => {
                let status = CacheStatus::Forwarded { why, status: None, is_stored: false, is_collapsed: false };
                told(answer, status)
            }
            Err(Unreachable) => self.without_origin(asked, found.this(), why),
        }
    }
}

fn collapsed() -> CacheStatus {
    CacheStatus::Forwarded { why: Forwarded::Miss, status: None, is_stored: true, is_collapsed: true }
}

fn refused() -> Response<Content> {
    let mut response = plain(StatusCode::GATEWAY_TIMEOUT);
    CacheStatus::Refused.tell(NAME, None, response.headers_mut());
    response
}
