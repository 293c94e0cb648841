//! What mails say: HTML with the places that Supabase's templates have, `{{ .ConfirmationURL }}`, `{{ .Token }}` and so on.

use super::Mail;

/// Which mail it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// Confirms the address of a new account.
    Confirmation,
    /// Signs in.
    MagicLink,
    /// Signs in, so that a password can be set.
    Recovery,
    /// Confirms that an account changes its address; goes to both.
    EmailChange,
    /// Invites somebody.
    Invite,
    /// Brings a code that a sensitive change asks for.
    Reauthentication,
}

impl MailKind {
    /// Its name in logs, metrics and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Confirmation => "confirmation",
            Self::MagicLink => "magic_link",
            Self::Recovery => "recovery",
            Self::EmailChange => "email_change",
            Self::Invite => "invite",
            Self::Reauthentication => "reauthentication",
        }
    }

    /// The mail of a name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    const ALL: [Self; 6] =
        [Self::Confirmation, Self::MagicLink, Self::Recovery, Self::EmailChange, Self::Invite, Self::Reauthentication];

    fn standard(self) -> (&'static str, &'static str) {
        match self {
            Self::Confirmation => (
                "Confirm your address",
                "<h2>Confirm your address</h2>\n<p>Follow this link to confirm your account:</p>\n\
                 <p><a href=\"{{ .ConfirmationURL }}\">Confirm your address</a></p>\n\
                 <p>Or enter this code: {{ .Token }}</p>",
            ),
            Self::MagicLink => (
                "Sign in",
                "<h2>Sign in</h2>\n<p>Follow this link to sign in:</p>\n\
                 <p><a href=\"{{ .ConfirmationURL }}\">Sign in</a></p>\n<p>Or enter this code: {{ .Token }}</p>",
            ),
            Self::Recovery => (
                "Set a new password",
                "<h2>Set a new password</h2>\n<p>Follow this link to set a new password:</p>\n\
                 <p><a href=\"{{ .ConfirmationURL }}\">Set a new password</a></p>\n<p>Or enter this code: {{ .Token }}</p>",
            ),
            Self::EmailChange => (
                "Confirm the change of your address",
                "<h2>Confirm the change of your address</h2>\n\
                 <p>Follow this link to change your address from {{ .Email }} to {{ .NewEmail }}:</p>\n\
                 <p><a href=\"{{ .ConfirmationURL }}\">Change the address</a></p>\n<p>Or enter this code: {{ .Token }}</p>",
            ),
            Self::Invite => (
                "You are invited",
                "<h2>You are invited</h2>\n<p>You were invited to {{ .SiteURL }}. Follow this link to accept:</p>\n\
                 <p><a href=\"{{ .ConfirmationURL }}\">Accept the invitation</a></p>",
            ),
            Self::Reauthentication => {
                ("{{ .Token }} is your code", "<h2>Confirm that it is you</h2>\n<p>Enter this code: {{ .Token }}</p>")
            }
        }
    }
}

/// What stands in the places of a template.
#[derive(Default)]
pub(crate) struct Values<'a> {
    pub(crate) confirmation_url: &'a str,
    pub(crate) token: &'a str,
    pub(crate) token_hash: &'a str,
    pub(crate) site_url: &'a str,
    pub(crate) redirect_to: &'a str,
    pub(crate) email: &'a str,
    pub(crate) new_email: &'a str,
}

impl Values<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        Some(match name {
            "ConfirmationURL" => self.confirmation_url,
            "Token" => self.token,
            "TokenHash" => self.token_hash,
            "SiteURL" => self.site_url,
            "RedirectTo" => self.redirect_to,
            "Email" => self.email,
            "NewEmail" => self.new_email,
            _ => return None,
        })
    }
}

/// A subject and a text with places.
#[derive(Debug, Clone)]
pub struct Template {
    subject: String,
    html: String,
}

/// Why a template is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{{{{ {0} }}}} is no place of a mail: .ConfirmationURL, .Token, .TokenHash, .SiteURL, .RedirectTo, .Email and .NewEmail are"
)]
pub struct NotATemplate(String);

impl Template {
    /// Checks that only places are in it that there are.
    ///
    /// # Errors
    /// [`NotATemplate`].
    pub fn new(subject: String, html: String) -> Result<Self, NotATemplate> {
        let template = Self { subject, html };
        let nothing = Values::default();
        render(&template.subject, &nothing, false)?;
        render(&template.html, &nothing, true)?;
        Ok(template)
    }
}

impl Template {
    /// The usual one of a mail with another subject or another text.
    ///
    /// # Errors
    /// [`NotATemplate`].
    pub fn instead_of(kind: MailKind, subject: Option<String>, html: Option<String>) -> Result<Self, NotATemplate> {
        let (usual_subject, usual_html) = kind.standard();
        Self::new(subject.unwrap_or_else(|| usual_subject.to_owned()), html.unwrap_or_else(|| usual_html.to_owned()))
    }
}

/// Puts the values into the places.
fn render(template: &str, values: &Values<'_>, is_html: bool) -> Result<String, NotATemplate> {
    let mut text = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        text.push_str(before);
        let (place, after) = after.split_once("}}").ok_or_else(|| NotATemplate(after.chars().take(40).collect()))?;
        let place = place.trim_matches(['-', ' ', '\n', '\t']);
        let value = place.strip_prefix('.').and_then(|name| values.get(name));
        let value = value.ok_or_else(|| NotATemplate(place.to_owned()))?;
        if is_html {
            escape(value, &mut text)
        } else {
            text.extend(value.chars().filter(|letter| !letter.is_control()))
        }
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

fn escape(value: &str, text: &mut String) {
    for letter in value.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&#39;"),
            _ => text.push(letter),
        }
    }
}

/// The templates of all mails.
#[derive(Debug, Clone)]
pub struct Templates([Template; 6]);

impl Default for Templates {
    fn default() -> Self {
        Self(MailKind::ALL.map(|kind| {
            let (subject, html) = kind.standard();
            Template { subject: subject.to_owned(), html: html.to_owned() }
        }))
    }
}

impl Templates {
    /// Puts another one in the place of the usual one.
    pub fn set(&mut self, kind: MailKind, template: Template) {
        if let Some(slot) = self.0.get_mut(kind as usize) {
            *slot = template;
        }
    }

    /// A mail to `to`. The plain text has the link and the code, whatever the template says.
    pub(crate) fn mail(&self, kind: MailKind, to: &str, values: &Values<'_>) -> Result<Mail, NotATemplate> {
        let template = self.0.get(kind as usize).ok_or_else(|| NotATemplate(kind.name().to_owned()))?;
        let subject = render(&template.subject, values, false)?;
        let mut text = format!("{subject}\n");
        if !values.confirmation_url.is_empty() {
            text.push_str(&format!("\n{}\n", values.confirmation_url));
        }
        if kind != MailKind::Invite {
            text.push_str(&format!("\nCode: {}\n", values.token));
        }
        Ok(Mail { kind, to: to.to_owned(), subject, html: render(&template.html, values, true)?, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_into_their_places_and_never_become_html() {
        let values = Values {
            confirmation_url: "https://a/verify?token=x&type=signup",
            token: "123456",
            new_email: "<script>@x.y",
            email: "a@b.c",
            ..Values::default()
        };
        for kind in MailKind::ALL {
            let mail = Templates::default().mail(kind, "a@b.c", &values).unwrap();
            assert!(
                !mail.html.contains("{{") && !mail.subject.contains("{{") && !mail.html.contains("<script>"),
                "{kind:?}"
            );
        }
        let mail = Templates::default().mail(MailKind::EmailChange, "a@b.c", &values).unwrap();
        assert!(mail.html.contains("href=\"https://a/verify?token=x&amp;type=signup\""));
        assert!(mail.text.contains("https://a/verify?token=x&type=signup") && mail.text.contains("123456"));
        let mail = Templates::default().mail(MailKind::Reauthentication, "a@b.c", &values).unwrap();
        assert_eq!(mail.subject, "123456 is your code");
        assert_eq!(format!("{mail:?}"), "Mail(Reauthentication)");
    }

    #[test]
    fn a_template_with_unknown_places_is_refused_at_the_start() {
        let template = |html: &str| Template::new("s".to_owned(), html.to_owned());
        assert!(template("<a href='{{ .ConfirmationURL }}'>{{.Token}}</a>").is_ok());
        assert!(template("{{ .Data.name }}").is_err());
        assert!(template("{{ .Token").is_err());
    }
}
