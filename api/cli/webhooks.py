"""Commands about programs that owners let be told: webhooks list, add, secret, ping, deliveries, remove."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.options import MOST_ID, AsJson
from api.cli.tables import minute_utc
from api.cli.tables import number as name_of

commands = typer.Typer()
_webhooks = typer.Typer(help="Programs of owners that are told what happens at their facilities.", no_args_is_help=True)
commands.add_typer(_webhooks, name="webhooks")
Owner = Annotated[
    int, typer.Option(help="Number of the owner, as `baytide owners` shows it.", min=1, max=MOST_ID, show_default=False)
]
Webhook = Annotated[
    int, typer.Argument(help="Number of the webhook, as `list` shows it.", min=1, max=MOST_ID, show_default=False)
]


@_webhooks.command("list")
def list_webhooks(*, owner: Owner, as_json: AsJson = False) -> None:
    """
    List an owner's webhooks, with what is wrong with them.

    Example: baytide webhooks list --owner 4
    """
    from api.cli.acting import acting_as_owner
    from api.cli.listing import print_list
    from api.webhooks import queries
    from api.webhooks.schemas import webhook_out
    from api.webhooks.service import list_webhooks as run

    with acting_as_owner(owner) as (acting, principal):
        found = run(acting.connection, acting.keys, principal, now=acting.now)
        lists = queries.list_lists(acting.connection, [endpoint.id for endpoint in found])
    print_list(
        [webhook_out(endpoint, lists.get(endpoint.id, ())) for endpoint in found],
        ("webhook", "address", "hears of", "failures", "paused until, UTC", "lists not taken"),
        lambda one: (
            name_of(one.id),
            one.url or "sealed with another key",
            " ".join(one.kinds) or "everything",
            one.failures,
            minute_utc(one.paused_until),
            sum(taken.error is not None for taken in one.lists),
        ),
        as_json=as_json,
    )


@_webhooks.command("add")
def add_webhook(
    url: Annotated[str, typer.Argument(help="Where it is called: https, in a public network.", show_default=False)],
    *,
    owner: Owner,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Only this, as docs/gates.md names it; once for each.", show_default=False),
    ] = None,
) -> None:
    """
    Let a program be told of what happens at an owner's facilities; its secret is printed this once.

    Example: baytide webhooks add https://gates.example/baytide --owner 4 --kind allow_list --kind gate_review
    """
    from api.cli.acting import acting_as_owner
    from api.cli.reading import read_words
    from api.settings import Settings
    from api.webhooks.addresses import rules_of
    from api.webhooks.schemas import WebhookIn
    from api.webhooks.service import add_webhook as run

    wanted = read_words(WebhookIn, {"url": url, "kinds": kind or [], "owner": owner})
    with acting_as_owner(owner) as (acting, principal):
        endpoint, secret = run(
            acting.connection,
            acting.keys,
            principal,
            url=wanted.url,
            kinds=wanted.kinds,
            owner_id=owner,
            rules=rules_of(Settings()),
            now=acting.now,
        )
    typer.echo(f"added: webhook {endpoint.id}\nsecret: {secret}")


@_webhooks.command("secret")
def change_secret(webhook: Webhook, *, owner: Owner) -> None:
    """
    Give a webhook a new secret, printed this once; for a day everything is signed with the former one too.

    Example: baytide webhooks secret 12 --owner 4
    """
    from api.cli.acting import acting_as_owner
    from api.webhooks.service import change_secret as run

    with acting_as_owner(owner) as (acting, _):
        _, secret = run(acting.connection, acting.keys, webhook, now=acting.now)
    typer.echo(f"secret: {secret}")


@_webhooks.command("ping")
def ping(webhook: Webhook, *, owner: Owner) -> None:
    """
    Let a running worker call a webhook with nothing to tell; `deliveries` says what became of it.

    Example: baytide webhooks ping 12 --owner 4
    """
    from api.cli.acting import acting_as_owner
    from api.webhooks.service import ping as run

    with acting_as_owner(owner) as (acting, _):
        delivery = run(acting.connection, webhook, now=acting.now)
    typer.echo(f"waits to be sent: delivery {delivery}")


@_webhooks.command("deliveries")
def list_deliveries(
    webhook: Webhook,
    *,
    owner: Owner,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most rows.")] = 20,
    as_json: AsJson = False,
) -> None:
    """
    List calls of a webhook, the newest first, and what became of them.

    Example: baytide webhooks deliveries 12 --owner 4
    """
    from api.cli.acting import acting_as_owner
    from api.cli.listing import print_list
    from api.notices.contact_schemas import delivery_out
    from api.notices.delivery_queries import list_deliveries_at
    from api.webhooks.queries import get_endpoint

    with acting_as_owner(owner) as (acting, _):
        get_endpoint(acting.connection, webhook)
        rows = list_deliveries_at(acting.connection, webhook, before=MOST_ID, limit=limit)
    print_list(
        [delivery_out(row) for row in rows],
        ("delivery", "of, UTC", "kind", "state", "attempts", "error", "next, UTC"),
        lambda one: (
            name_of(one.id),
            minute_utc(one.created_at),
            one.kind,
            one.state,
            one.attempts,
            one.error,
            minute_utc(one.next_at),
        ),
        as_json=as_json,
    )


@_webhooks.command("remove")
def remove_webhook(webhook: Webhook, *, owner: Owner) -> None:
    """
    Call a webhook no more; its address and secrets are forgotten.

    Example: baytide webhooks remove 12 --owner 4
    """
    from api.cli.acting import acting_as_owner
    from api.webhooks.service import remove_webhook as run

    with acting_as_owner(owner) as (acting, _):
        run(acting.connection, webhook, now=acting.now)
    typer.echo(f"removed: webhook {webhook}")
