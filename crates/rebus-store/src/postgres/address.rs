//! Where a server is, and how it is spoken with: an address as `psql` has it.

use std::{path::PathBuf, str::FromStr, time::Duration};

use postgres::{Client, Config, config::Host};
use rustls_tokio_postgres::{
    MakeRustlsConnect, config_from_ca_cert, config_no_verify, config_platform_verifier,
};
use url::Url;

use crate::StoreError;

/// A server's address, read.
pub(super) struct Address {
    config: Config,
    tls: MakeRustlsConnect,
    /// Without the password.
    pub(super) shown: PathBuf,
}

impl Address {
    /// Reads an address. `sslmode` may be `disable`, `prefer`, `require`, and `verify-full`, by which the server's certificate
    /// must be of one of the system's authorities, or of those in the file `sslrootcert`.
    pub(super) fn parse(text: &str) -> Result<Self, StoreError> {
        let wrong = |reason: String| StoreError::Address { reason };
        let (mut text, mut verify, mut authorities) = (text.to_string(), false, None);
        // These two the client does not know.
        if (text.contains("verify-full") || text.contains("sslrootcert"))
            && let Ok(mut url) = Url::parse(&text)
        {
            let mut pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
            for (name, value) in &mut pairs {
                if name == "sslmode" && value == "verify-full" {
                    (verify, *value) = (true, "require".to_string());
                }
                if name == "sslrootcert" {
                    authorities = Some(value.clone());
                }
            }
            pairs.retain(|(name, _)| name != "sslrootcert");
            url.query_pairs_mut().clear().extend_pairs(pairs);
            // The client does not take a plus for a space.
            let query = url.query().map(|query| query.replace('+', "%20"));
            url.set_query(query.as_deref());
            text = url.into();
        }
        let mut config = Config::from_str(&text).map_err(|error| wrong(super::told(&error)))?;
        config.keepalives_idle(Duration::from_secs(30));
        let tls = match (verify, authorities) {
            (false, None) => config_no_verify(),
            (true, None) => config_platform_verifier().map_err(|error| wrong(error.to_string()))?,
            (_, Some(file)) => {
                config_from_ca_cert(&file).map_err(|error| wrong(format!("{file}: {error}")))?
            }
        };
        let shown = shown(&config).into();
        Ok(Self { config, tls: MakeRustlsConnect::new(tls), shown })
    }

    pub(super) fn connect(&self) -> Result<Client, postgres::Error> {
        self.config.connect(self.tls.clone())
    }
}

fn shown(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        // Of a password with an `@` in it the client takes the rest for a part of the host.
        Some(Host::Tcp(name)) => name.rsplit('@').next().unwrap_or_default().to_string(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => String::new(),
    };
    let port = config.get_ports().first().map_or(String::new(), |port| format!(":{port}"));
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    format!("postgres://{host}{port}/{database}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_and_a_wrong_address_says_what_is_wrong() {
        let address =
            Address::parse("postgres://ann:secret@db.example:5433/pictures?sslmode=require").unwrap();
        assert_eq!(address.shown.to_str(), Some("postgres://db.example:5433/pictures"));
        let full = Address::parse("postgres://ann:secret@db.example/pictures?sslmode=verify-full").unwrap();
        assert_eq!(full.config.get_ssl_mode(), postgres::config::SslMode::Require);
        assert_eq!(full.config.get_password(), Some(&b"secret"[..]));
        let odd = "postgres://ann:sec@ret@db.example/pictures?options=-c%20a%3D9&sslmode=verify-full";
        let odd = Address::parse(odd).unwrap();
        assert_eq!(odd.config.get_options(), Some("-c a=9"));
        assert!(!odd.shown.to_string_lossy().contains("ret"), "{:?}", odd.shown);
        let odd = Address::parse("postgres://ann:sec@ret@db.example/pictures").unwrap();
        assert_eq!(odd.shown.to_str(), Some("postgres://db.example:5432/pictures"));
        for (wrong, said) in [
            ("postgres://db/pictures?sslmode=perhaps", "sslmode"),
            ("postgres://db:many/pictures", "port"),
            ("postgres://db/pictures?sslrootcert=/no/such.pem", "/no/such.pem"),
        ] {
            let error = Address::parse(wrong).err().unwrap().to_string();
            assert!(error.contains(said) && error.contains("postgres://USER"), "{error}");
        }
    }
}
