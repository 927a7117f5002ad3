"""What is searched of cases, and the support desk's side projects"""

import sqlalchemy as sa
from alembic import op

from rapport.storage.tables import UtcInstant

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "case_texts",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("area", sa.String(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("opened_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("solved_at", UtcInstant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["ref"], ["cases.ref"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("ref"),
    )
    op.create_index("ix_case_texts_account", "case_texts", ["account"])
    op.create_index("ix_case_texts_contact", "case_texts", ["contact"])
    op.create_table(
        "side_projects",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("area", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("added_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("added_by", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("since", UtcInstant(timezone=True), nullable=False),
        sa.Column("look_again", sa.Date(), nullable=True),
        sa.Column("tam", sa.String(), nullable=True),
        sa.Column("booked_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("done_at", UtcInstant(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_side_projects_state", "side_projects", ["state"])
    op.create_table(
        "side_stretches",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("began", UtcInstant(timezone=True), nullable=False),
        sa.Column("ended", UtcInstant(timezone=True), nullable=True),
        sa.Column("ended_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["project"], ["side_projects.id"]),
        sa.PrimaryKeyConstraint("project", "number"),
    )
    op.create_index("ix_side_stretches_began", "side_stretches", ["began"])
    if op.get_context().dialect.name == "postgresql":
        op.execute(
            "CREATE INDEX case_search ON case_texts "
            "USING gin (to_tsvector('english', case_texts.question || ' ' || case_texts.answer))"
        )
        return
    # An index without texts of its own: it reads them where they stand, and the triggers tell it of each change.
    op.execute(
        "CREATE VIRTUAL TABLE case_search USING fts5(question, answer, content='case_texts', content_rowid='number', "
        "tokenize='porter unicode61 remove_diacritics 2')"
    )
    put = "INSERT INTO case_search(rowid, question, answer) VALUES (new.number, new.question, new.answer);"
    take = (
        "INSERT INTO case_search(case_search, rowid, question, answer) "
        "VALUES ('delete', old.number, old.question, old.answer);"
    )
    op.execute(f"CREATE TRIGGER case_texts_put AFTER INSERT ON case_texts BEGIN {put} END")
    op.execute(f"CREATE TRIGGER case_texts_taken AFTER DELETE ON case_texts BEGIN {take} END")
    op.execute(f"CREATE TRIGGER case_texts_changed AFTER UPDATE ON case_texts BEGIN {take} {put} END")
