//! Logins against a provider that the tests run themselves, which signs what it is told to.

// Said to be tests, so that what goes wrong in setting them up may panic too.
#[cfg(test)]
mod login;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod tokens;
