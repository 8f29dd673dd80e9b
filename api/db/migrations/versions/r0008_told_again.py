"""Households are told of a stay again where another withdrawal shuts its bay sooner."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a notice of a stay be one of its kind for each withdrawal."""
    op.drop_constraint("notices_stay_id_kind_key", "notices")
    op.execute(
        "CREATE UNIQUE INDEX notices_stay_id_kind_withdrawal_key"
        " ON notices (stay_id, kind, COALESCE(facts ->> 'withdrawal', ''))"
    )


def downgrade() -> None:
    """Keep the first notice of each kind of a stay."""
    op.execute("DELETE FROM notices n USING notices f WHERE f.stay_id = n.stay_id AND f.kind = n.kind AND f.id < n.id")
    op.drop_index("notices_stay_id_kind_withdrawal_key", "notices")
    op.create_unique_constraint("notices_stay_id_kind_key", "notices", ["stay_id", "kind"])
