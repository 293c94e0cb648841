//! One order, from the account to the certificate (RFC 8555 section 7).

use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, ExternalAccountKey, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};

use crate::challenge::Pending;
use crate::client::Client;
use crate::error::OrderError;
use crate::facts::Facts;
use crate::folder::Folder;
use crate::{ChallengeKind, Config};

/// How long the authority may take to look, and then again to issue.
const VALIDATION_TIME: Duration = Duration::from_mins(2);
/// Between two questions whether it has: twice as long each time, unless the authority says when.
const FIRST_QUESTION: Duration = Duration::from_secs(1);

/// What an order needs.
pub(crate) struct Ordering<'a> {
    pub(crate) config: &'a Config,
    pub(crate) folder: &'a Folder,
    pub(crate) client: &'a Client,
    /// The certificate that it takes the place of, where the authority said when to renew it.
    pub(crate) replaces: Option<&'a Facts>,
}

impl Ordering<'_> {
    /// Orders, and gives key and chain as PEM. `show` is called with what has to be seen from outside.
    pub(crate) async fn run(
        &self,
        show: impl Fn(&[Pending]) -> Result<(), OrderError> + Sync,
    ) -> Result<String, OrderError> {
        let account = self.account().await?;
        let mut order = match self.begin(&account).await {
            // The authority has forgotten it, or was replaced by another.
            Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_SUCH_ACCOUNT) => {
                self.folder.remove(Folder::ACCOUNT).map_err(in_folder(Folder::ACCOUNT))?;
                self.begin(&self.account().await?).await?
            }
            order => order?,
        };
        let pending = self.pending(&mut order).await?;
        if !pending.is_empty() {
            show(&pending)?;
            tokio::time::sleep(self.config.spread).await;
            self.have_validated(&mut order).await?;
        }
        match order.poll_ready(&patience()).await {
            // Some authorities tell it of the order, some of the authorization alone.
            Ok(OrderStatus::Invalid) => return Err(why_invalid(&mut order, "it does not say why".to_owned()).await),
            Err(Error::Api(problem)) => return Err(why_invalid(&mut order, problem.to_string()).await),
            status => status?,
        };
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(self.config.domains.clone())?;
        parameters.distinguished_name = DistinguishedName::new();
        order.finalize_csr(parameters.serialize_request(&key)?.der()).await?;
        let chain = order.poll_certificate(&patience()).await?;
        let pem = format!("{}{chain}", key.serialize_pem());
        let facts = Facts::read(pem.as_bytes()).map_err(OrderError::Other)?;
        if !facts.covers(&self.config.domains) {
            return Err(OrderError::Other("the authority issued a certificate for other names".to_owned()));
        }
        Ok(pem)
    }

    /// The account that is kept, or a new one.
    pub(crate) async fn account(&self) -> Result<Account, OrderError> {
        let builder = Account::builder_with_http(Box::new(self.client.clone()));
        let kept = self.folder.read_value::<AccountCredentials>(Folder::ACCOUNT);
        if let Some(credentials) = kept.map_err(in_folder(Folder::ACCOUNT))? {
            return Ok(builder.from_credentials(credentials).await?);
        }
        let contact: Vec<String> = self.config.contact.iter().map(|address| format!("mailto:{address}")).collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        // That the terms are agreed to has been asked for: without it there is no `Config`.
        let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let external = match &self.config.external_account {
            Some(account) => {
                let key = account.key().map_err(|error| OrderError::Other(error.to_string()))?;
                Some(ExternalAccountKey::new(account.key_id.clone(), &key))
            }
            None => None,
        };
        let (account, credentials) = builder.create(&new, self.config.directory.clone(), external.as_ref()).await?;
        self.folder.write_value(Folder::ACCOUNT, &credentials).map_err(in_folder(Folder::ACCOUNT))?;
        Ok(account)
    }

    async fn begin(&self, account: &Account) -> Result<Order, Error> {
        let names: Vec<Identifier> = self.config.domains.iter().cloned().map(Identifier::Dns).collect();
        let mut new = NewOrder::new(&names);
        if let Some(identifier) = self.replaces.and_then(|facts| facts.identifier.clone()) {
            new = new.replaces(identifier);
        }
        account.new_order(&new).await
    }

    /// The challenges of the domains that the authority does not know to lead here.
    async fn pending(&self, order: &mut Order) -> Result<Vec<Pending>, OrderError> {
        let mut pending = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            match authorization.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                status => return Err(OrderError::Other(format!("an authorization is {status:?}"))),
            }
            let domain = authorization.identifier().to_string();
            if !self.config.domains.contains(&domain) {
                return Err(OrderError::Other(format!("the authority asks about {domain}, which was not ordered")));
            }
            let Some(challenge) = authorization.challenge(self.kind()) else {
                let text = format!("the authority offers no challenge {} for {domain}", self.kind_name());
                return Err(OrderError::Other(text));
            };
            let key_authorization = challenge.key_authorization().as_str().to_owned();
            pending.push(Pending { domain, token: challenge.token.clone(), key_authorization });
        }
        Ok(pending)
    }

    /// Tells the authority that it may look.
    async fn have_validated(&self, order: &mut Order) -> Result<(), OrderError> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Pending
                && let Some(mut challenge) = authorization.challenge(self.kind())
            {
                challenge.set_ready().await?;
            }
        }
        Ok(())
    }

    fn kind(&self) -> ChallengeType {
        match self.config.challenge {
            ChallengeKind::TlsAlpn01 => ChallengeType::TlsAlpn01,
            ChallengeKind::Http01 => ChallengeType::Http01,
        }
    }

    fn kind_name(&self) -> &'static str {
        match self.config.challenge {
            ChallengeKind::TlsAlpn01 => "tls-alpn-01",
            ChallengeKind::Http01 => "http-01",
        }
    }
}

/// RFC 8555 section 6.7.
const NO_SUCH_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

fn patience() -> RetryPolicy {
    RetryPolicy::new().initial_delay(FIRST_QUESTION).timeout(VALIDATION_TIME)
}

/// What the authority did not like, which stands at the challenge.
async fn why_invalid(order: &mut Order, otherwise: String) -> OrderError {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let domain = authorization.identifier().to_string();
        let Ok(state) = authorization.refresh().await else { continue };
        let problems = state.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        reasons.extend(problems.map(|problem| format!("{domain}: {problem}")));
    }
    if reasons.is_empty() {
        return OrderError::Other(format!("the authority gave the order up: {otherwise}"));
    }
    OrderError::Other(format!("the authority could not see that the domain leads here: {}", reasons.join("; ")))
}

/// Names the file that something is wrong with.
pub(crate) fn in_folder(file: &str) -> impl FnOnce(std::io::Error) -> OrderError {
    move |source| OrderError::Folder { file: file.to_owned(), source }
}
