//! Which way something goes within a flow.

/// Which way something goes within a flow, as opposed to across a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Heading {
    /// Sent by the client.
    ToServer,
    /// Sent by the server.
    ToClient,
}

impl Heading {
    /// Both.
    pub const ALL: [Heading; 2] = [Heading::ToServer, Heading::ToClient];

    /// Of a packet of which it is known whether it goes to the server.
    #[must_use]
    pub const fn to_server_if(to_server: bool) -> Self {
        if to_server { Heading::ToServer } else { Heading::ToClient }
    }

    /// 0 or 1, for arrays.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The other way.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Heading::ToServer => Heading::ToClient,
            Heading::ToClient => Heading::ToServer,
        }
    }

    /// The word that EVE uses in `direction`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Heading::ToServer => "to_server",
            Heading::ToClient => "to_client",
        }
    }
}
