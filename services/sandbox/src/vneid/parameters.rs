use std::collections::BTreeMap;

use url::form_urlencoded;

/// Parameters of a query or of a form, as OAuth reads them: one without a value is not there, and
/// one that is asked for may stand there once only (RFC 6749, 3.1 and 3.2).
#[derive(Default)]
pub(crate) struct Parameters(BTreeMap<String, Vec<String>>);

/// A parameter stands there more than once, or is more than may be sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repeated;

impl Parameters {
    pub(crate) fn parse(text: &[u8]) -> Parameters {
        let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text) {
            if !value.is_empty() {
                let values = parameters.entry(name.into_owned()).or_default();
                values.push(value.into_owned());
            }
        }
        Parameters(parameters)
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>, Repeated> {
        match self.0.get(name).map(Vec::as_slice) {
            None => Ok(None),
            Some([value]) => Ok(Some(value)),
            Some(_) => Err(Repeated),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_parameter_is_absent_and_a_repeated_one_is_an_error() {
        let parameters = Parameters::parse(b"a=1&b=&c=2&c=3&d=%C4%91+1&e");
        assert_eq!(parameters.get("a"), Ok(Some("1")));
        assert_eq!(parameters.get("b"), Ok(None));
        assert_eq!(parameters.get("c"), Err(Repeated));
        assert_eq!(parameters.get("d"), Ok(Some("đ 1")));
        assert_eq!(parameters.get("e"), Ok(None));
    }
}
