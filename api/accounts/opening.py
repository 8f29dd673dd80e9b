"""Opening a transaction in somebody's name: the service's role taken on, and who acts told to the database."""

from __future__ import annotations

from sqlalchemy import Connection, text

from api.accounts.principal import ANONYMOUS, Principal
from api.accounts.refusals import NotAllowed, NotSignedIn
from api.accounts.secrets import Secret

_BEGIN = text("SELECT * FROM begin_request(:kind, :secret, :visit)")
_RIGHTS = text(
    "SELECT COALESCE(array_agg(DISTINCT g.role), '{}') AS roles,"
    " COALESCE(array_agg(DISTINCT g.owner_id) FILTER (WHERE g.owner_id IS NOT NULL), '{}') AS owner_ids"
    " FROM grants g JOIN accounts a ON a.id = g.account_id AND a.disabled_at IS NULL"
    " WHERE a.id = :account AND g.revoked_at IS NULL AND (g.expires_at IS NULL OR g.expires_at > clock_timestamp())"
)
_ACT_AS = text(
    "SELECT set_config('baytide.account_id', :account, true), set_config('baytide.household_id', :household, true),"
    " set_config('baytide.roles', :roles, true), set_config('baytide.owner_ids', :owners, true)"
)


def open_for(connection: Connection, *, secret: Secret | None, visit: bytes | None = None) -> Principal:
    """
    Begin a transaction for whoever shows a secret, as the role that owns nothing.

    Parameters
    ----------
    visit
        Hash of the secret of a committee worker's visit, to act for the household visited.

    Raises
    ------
    NotSignedIn
        A bearer token or a gate's key opens nothing. An old login session only makes one anonymous.
    NotAllowed
        The visit is over, not this worker's, or no mandate covers the household.
    """
    shown = {"kind": secret.kind if secret else None, "secret": secret.hashed if secret else None, "visit": visit}
    found = connection.execute(_BEGIN, shown).one()
    if found.account_id is None and found.facility_id is None:
        if secret is not None and secret.kind != "login_session":
            raise NotSignedIn("what was shown opens nothing")
        return ANONYMOUS
    if visit is not None and not found.on_behalf:
        raise NotAllowed("no such visit")
    return Principal(
        account_id=found.account_id,
        household_id=found.household_id,
        roles=frozenset(found.roles),
        owner_ids=frozenset(found.owner_ids),
        way=secret.kind if secret else "anonymous",
        facility_id=found.facility_id,
        on_behalf=found.on_behalf,
    )


def open_as(connection: Connection, principal: Principal) -> None:
    """Begin a transaction of a command or a job in somebody's name, who showed nothing."""
    open_for(connection, secret=None)
    act_as(connection, principal)


def open_as_account(connection: Connection, account_id: int) -> Principal:
    """Begin a transaction of a job in the name of an account, with what it may do at this moment; without household."""
    nothing: frozenset[str] = frozenset()
    open_as(connection, Principal(account_id, None, nothing, frozenset(), "anonymous"))
    found = connection.execute(_RIGHTS, {"account": account_id}).one()
    principal = Principal(account_id, None, frozenset(found.roles), frozenset(found.owner_ids), "anonymous")
    act_as(connection, principal)
    return principal


def act_as(connection: Connection, principal: Principal) -> None:
    """Tell the database who acts from here to the end of the transaction."""
    connection.execute(
        _ACT_AS,
        {
            "account": "" if principal.account_id is None else str(principal.account_id),
            "household": "" if principal.household_id is None else str(principal.household_id),
            "roles": ",".join(sorted(principal.roles)),
            "owners": "{" + ",".join(map(str, sorted(principal.owner_ids))) + "}",
        },
    )
