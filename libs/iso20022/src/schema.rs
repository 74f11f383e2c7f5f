/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// pain.001: pay these people.
    Order,
    /// pain.002: how an order stands, line by line.
    Report,
    /// camt.053: what was booked on an account in a day.
    Statement,
    /// camt.054: what was booked just now, returns among it.
    Notification,
    /// camt.056: give this money back.
    Recall,
    /// camt.029: what becomes of a recall.
    Answer,
}

/// A version of a message. The newest of each kind is the one that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    pub kind: Kind,
    /// `camt.053.001.08`
    pub name: &'static str,
}

/// What stands before the name in a namespace.
const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:";

/// All that can be read; of each kind the first is written.
pub const SCHEMAS: [Schema; 11] = [
    known(Kind::Order, "pain.001.001.09"),
    known(Kind::Report, "pain.002.001.10"),
    known(Kind::Report, "pain.002.001.03"),
    known(Kind::Statement, "camt.053.001.08"),
    known(Kind::Statement, "camt.053.001.04"),
    known(Kind::Statement, "camt.053.001.02"),
    known(Kind::Notification, "camt.054.001.08"),
    known(Kind::Notification, "camt.054.001.04"),
    known(Kind::Notification, "camt.054.001.02"),
    known(Kind::Recall, "camt.056.001.08"),
    known(Kind::Answer, "camt.029.001.09"),
];

const fn known(kind: Kind, name: &'static str) -> Schema {
    Schema { kind, name }
}

impl Kind {
    /// The version that is written.
    pub fn written(self) -> Schema {
        let mut schemas = SCHEMAS.into_iter();
        schemas
            .find(|it| it.kind == self)
            .expect("each kind has a version")
    }

    /// The element below `Document`.
    pub(crate) fn element(self) -> &'static str {
        match self {
            Kind::Order => "CstmrCdtTrfInitn",
            Kind::Report => "CstmrPmtStsRpt",
            Kind::Statement => "BkToCstmrStmt",
            Kind::Notification => "BkToCstmrDbtCdtNtfctn",
            Kind::Recall => "FIToFIPmtCxlReq",
            Kind::Answer => "RsltnOfInvstgtn",
        }
    }

    /// The element of one statement or notification, and of its words at the end.
    pub(crate) fn account_element(self) -> &'static str {
        match self {
            Kind::Notification => "Ntfctn",
            _ => "Stmt",
        }
    }
}

impl Schema {
    pub fn namespace(self) -> String {
        format!("{NAMESPACE}{}", self.name)
    }

    /// `None` for a message or version that is not read.
    pub(crate) fn of(namespace: &str) -> Option<Schema> {
        let name = namespace.strip_prefix(NAMESPACE)?;
        SCHEMAS.into_iter().find(|it| it.name == name)
    }
}
