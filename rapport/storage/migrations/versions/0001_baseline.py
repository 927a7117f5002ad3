"""All tables, as they are before anything is released"""

import sqlalchemy as sa
from alembic import op

from rapport.storage.tables import UtcInstant

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "announcements",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("submission", sa.String(), nullable=True),
        sa.Column("option", sa.String(), nullable=True),
        sa.Column("until", UtcInstant(timezone=True), nullable=True),
        sa.Column("occasion", sa.String(), nullable=True),
        sa.Column("happened_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("first_tried_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("settled_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("unmailed", sa.Boolean(), nullable=False),
        sa.Column("ended_at", UtcInstant(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_announcements_ended_at", "announcements", ["ended_at"])
    op.create_index("ix_announcements_ref", "announcements", ["ref"])
    op.create_index("ix_announcements_state", "announcements", ["state"])
    op.create_table(
        "ended_outside",
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("since", UtcInstant(timezone=True), nullable=False),
        sa.Column("left_at", UtcInstant(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("workflow_id"),
    )
    op.create_table(
        "gaps",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("roadmap", sa.String(), nullable=True),
        sa.Column("logged_by", sa.String(), nullable=False),
        sa.Column("logged_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("changed_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("delivery_reason", sa.String(), nullable=True),
        sa.Column("first_tried_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("sent_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "late_replies",
        sa.Column("vote", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("voter", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("slots", sa.JSON(), nullable=False),
        sa.Column("at", UtcInstant(timezone=True), nullable=False),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("vote"),
    )
    op.create_table(
        "links",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=True),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("expires_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("used_at", UtcInstant(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "members",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("join_url", sa.String(), nullable=True),
        sa.Column("calendar_url", sa.String(), nullable=True),
        sa.Column("schedule", sa.JSON(), nullable=False),
        sa.Column("manager", sa.String(), nullable=True),
        sa.Column("backup", sa.String(), nullable=True),
        sa.Column("delegate", sa.String(), nullable=True),
        sa.Column("left_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("areas", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["backup"], ["members.id"]),
        sa.ForeignKeyConstraint(["delegate"], ["members.id"]),
        sa.ForeignKeyConstraint(["manager"], ["members.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
    )
    op.create_table(
        "messages",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=True),
        sa.Column("contract", sa.String(), nullable=True),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("person", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("occasion", sa.JSON(), nullable=False),
        sa.Column("edits", sa.JSON(), nullable=False),
        sa.Column("left_out", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("not_before", UtcInstant(timezone=True), nullable=True),
        sa.Column("joined", sa.String(), nullable=True),
        sa.Column("guests", sa.Integer(), nullable=False),
        sa.Column("first_tried_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lease_until", UtcInstant(timezone=True), nullable=True),
        sa.Column("retry_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("turn_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("settled_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("reply", sa.String(), nullable=True),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("submission", sa.String(), nullable=True),
        sa.Column("resolution", sa.String(), nullable=True),
        sa.Column("left_in", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("messages_by_account", "messages", ["account", "created_at"])
    op.create_index("messages_by_person", "messages", ["person"])
    op.create_index("messages_by_state", "messages", ["state", "settled_at"])
    op.create_table(
        "probes",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", UtcInstant(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "relay_faults",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("since", UtcInstant(timezone=True), nullable=False),
        sa.Column("until", UtcInstant(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", "since"),
    )
    relays = op.create_table(
        "relays",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("fix", sa.String(), nullable=True),
        sa.Column("since", UtcInstant(timezone=True), nullable=True),
        sa.Column("probed_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("missed", sa.Integer(), nullable=True),
        sa.Column("missed_since", UtcInstant(timezone=True), nullable=True),
        sa.Column("missed_last", UtcInstant(timezone=True), nullable=True),
        sa.Column("missed_kind", sa.String(), nullable=True),
        sa.Column("next_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("given_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("slowed", sa.Integer(), nullable=True),
        sa.Column("slowed_since", UtcInstant(timezone=True), nullable=True),
        sa.Column("slowed_until", UtcInstant(timezone=True), nullable=True),
        sa.Column("slowed_code", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "roadmap_items",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("expected", sa.String(), nullable=False),
        sa.Column("touches", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
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
        "signing_keys",
        sa.Column("seal", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seal"),
    )
    op.create_table(
        "submissions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", UtcInstant(timezone=True), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("entered_by", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("salt", sa.String(length=32), nullable=True),
        sa.Column("text_hash", sa.String(length=64), nullable=True),
        sa.Column("verified", sa.String(), nullable=False),
        sa.Column("on_behalf_of", sa.String(), nullable=True),
        sa.Column("shown", sa.String(length=64), nullable=True),
        sa.Column("about", sa.String(length=64), nullable=True),
        sa.Column("answered_at", UtcInstant(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("submissions_by_actor", "submissions", ["actor", "at"])
    op.create_index("submissions_by_workflow", "submissions", ["workflow_id", "at"])
    op.create_table(
        "sweeps",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("at", UtcInstant(timezone=True), nullable=False),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "switches",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("at", UtcInstant(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("contract", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("requester", sa.String(), nullable=True),
        sa.Column("request", sa.String(), nullable=True),
        sa.Column("asked", sa.String(), nullable=True),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("opened", UtcInstant(timezone=True), nullable=False),
        sa.Column("deadline", UtcInstant(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("closed", UtcInstant(timezone=True), nullable=True),
        sa.Column("about", sa.String(), nullable=True),
        sa.Column("unblock", sa.String(), nullable=True),
        sa.Column("gone_in", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("tasks_by_about", "tasks", ["about"])
    op.create_index("tasks_by_account", "tasks", ["account"])
    op.create_index("tasks_by_gone_in", "tasks", ["gone_in"])
    op.create_index("tasks_by_phase", "tasks", ["phase"])
    op.create_index("tasks_by_requester", "tasks", ["requester"])
    op.create_index("tasks_by_subject", "tasks", ["subject", "step"])
    op.create_table(
        "timeline",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("at", UtcInstant(timezone=True), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=True),
        sa.Column("who", sa.String(), nullable=True),
        sa.Column("about", sa.String(), nullable=True),
        sa.Column("instant", UtcInstant(timezone=True), nullable=True),
        sa.Column("submission", sa.String(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "sequence"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("timeline_by_submission", "timeline", ["submission"])
    op.create_table(
        "timeline_heads",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_table(
        "timeline_marks",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("at", UtcInstant(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_table(
        "tokens",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("member", sa.String(), nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("revoked_at", UtcInstant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["member"], ["members.id"]),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("member", sa.String(), nullable=True),
        sa.Column("token", sa.String(), nullable=True),
        sa.Column("expires_at", UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["member"], ["members.id"]),
        sa.ForeignKeyConstraint(["token"], ["tokens.name"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "vendor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("company_health", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "absences",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("starts", UtcInstant(timezone=True), nullable=False),
        sa.Column("ends", UtcInstant(timezone=True), nullable=False),
        sa.Column("delegate", sa.String(), nullable=True),
        sa.Column("submission", sa.String(), nullable=True),
        sa.Column("created_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("ended_early_at", UtcInstant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["delegate"], ["members.id"]),
        sa.ForeignKeyConstraint(["member"], ["members.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_absences_member", "absences", ["member"])
    op.create_table(
        "hours",
        sa.Column("meeting", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("starts", UtcInstant(timezone=True), nullable=False),
        sa.Column("ends", UtcInstant(timezone=True), nullable=False),
        sa.Column("travel", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["member"], ["members.id"]),
        sa.PrimaryKeyConstraint("meeting", "member"),
    )
    op.create_index("ix_hours_member", "hours", ["member"])
    op.create_table(
        "offers",
        sa.Column("meeting", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("starts", UtcInstant(timezone=True), nullable=False),
        sa.Column("ends", UtcInstant(timezone=True), nullable=False),
        sa.Column("withdrawn_at", UtcInstant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["member"], ["members.id"]),
        sa.PrimaryKeyConstraint("meeting", "member", "starts"),
    )
    op.create_index("ix_offers_member", "offers", ["member"])
    op.create_table(
        "accounts",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("tam", sa.String(), nullable=False),
        sa.Column("regular_tam", sa.String(), nullable=True),
        sa.Column("tam_until", UtcInstant(timezone=True), nullable=True),
        sa.Column("place", sa.String(), nullable=True),
        sa.Column("review", sa.String(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("held", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("erased_at", UtcInstant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["regular_tam"], ["members.id"]),
        sa.ForeignKeyConstraint(["tam"], ["members.id"]),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_accounts_tam", "accounts", ["tam"])
    op.create_table(
        "attachments",
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("added_by", sa.String(), nullable=False),
        sa.Column("added_at", UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["message"], ["messages.key"]),
        sa.PrimaryKeyConstraint("message", "name"),
    )
    op.create_table(
        "gap_links",
        sa.Column("gap", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["gap"], ["gaps.number"]),
        sa.PrimaryKeyConstraint("gap", "kind", "ref"),
    )
    op.create_index("gap_links_by_ref", "gap_links", ["kind", "ref"])
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
    op.create_table(
        "task_holders",
        sa.Column("task", sa.String(), nullable=False),
        sa.Column("member", sa.String(), nullable=False),
        sa.Column("on_behalf_of", sa.String(), nullable=True),
        sa.Column("via", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("awaited", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["task"], ["tasks.id"]),
        sa.PrimaryKeyConstraint("task", "member"),
    )
    op.create_index("ix_task_holders_member", "task_holders", ["member"])
    op.create_table(
        "actions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("meeting", sa.String(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("due", sa.Date(), nullable=False),
        sa.Column("raised_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("done_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("done_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_actions_account", "actions", ["account"])
    op.create_index("ix_actions_owner", "actions", ["owner"])
    op.create_table(
        "blockers",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("meeting", sa.String(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("next_check", sa.Date(), nullable=False),
        sa.Column("raised_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("removed_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("removed_by", sa.String(), nullable=True),
        sa.Column("removal", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_blockers_account", "blockers", ["account"])
    op.create_index("ix_blockers_owner", "blockers", ["owner"])
    op.create_table(
        "cases",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("area", sa.String(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("thread", sa.String(), nullable=True),
        sa.Column("key", sa.String(), nullable=True),
        sa.Column("partner", sa.String(), nullable=True),
        sa.Column("split_from", sa.String(), nullable=True),
        sa.Column("opened_by", sa.String(), nullable=False),
        sa.Column("opened_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("owned_since", UtcInstant(timezone=True), nullable=True),
        sa.Column("due", UtcInstant(timezone=True), nullable=True),
        sa.Column("escalation", sa.String(), nullable=True),
        sa.Column("escalations", sa.Integer(), nullable=False),
        sa.Column("breaches", sa.Integer(), nullable=False),
        sa.Column("first_answered_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("resolved_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("merged_into", sa.String(), nullable=True),
        sa.Column("waiting_for", sa.String(), nullable=True),
        sa.Column("status", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("projected", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("account", "key"),
        sa.UniqueConstraint("account", "thread"),
        sa.UniqueConstraint("ref"),
    )
    op.create_index("cases_by_end", "cases", ["resolved_at"])
    op.create_index("cases_by_owner", "cases", ["owner"])
    op.create_index("cases_by_state", "cases", ["state"])
    op.create_index("ix_cases_account", "cases", ["account"])
    op.create_table(
        "contacts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("personas", sa.JSON(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("schedule", sa.JSON(), nullable=False),
        sa.Column("work", sa.JSON(), nullable=False),
        sa.Column("left_at", UtcInstant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "email"),
    )
    op.create_index("ix_contacts_account", "contacts", ["account"])
    op.create_table(
        "contracts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("playbook", sa.String(), nullable=False),
        sa.Column("playbook_version", sa.Integer(), nullable=False),
        sa.Column("signed_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("product", sa.String(), nullable=True),
        sa.Column("starts", sa.Date(), nullable=True),
        sa.Column("ends", sa.Date(), nullable=True),
        sa.Column("renews", sa.String(), nullable=True),
        sa.Column("begins", UtcInstant(timezone=True), nullable=True),
        sa.Column("requested_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=True),
        sa.Column("stage", sa.String(), nullable=True),
        sa.Column("ended_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("paused_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("projected", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_contracts_account", "contracts", ["account"])
    op.create_table(
        "incidents",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("began", UtcInstant(timezone=True), nullable=False),
        sa.Column("ended", UtcInstant(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.PrimaryKeyConstraint("account", "id"),
    )
    op.create_table(
        "minutes",
        sa.Column("meeting", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("written_at", UtcInstant(timezone=True), nullable=False),
        sa.Column("corrected_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("submission", sa.String(), nullable=False),
        sa.Column("attended", sa.JSON(), nullable=False),
        sa.Column("agreed", sa.JSON(), nullable=False),
        sa.Column("next", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.PrimaryKeyConstraint("meeting"),
    )
    op.create_index("ix_minutes_account", "minutes", ["account"])
    op.create_table(
        "private_notes",
        sa.Column("meeting", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.PrimaryKeyConstraint("meeting"),
    )
    op.create_table(
        "projects",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("starts", sa.Date(), nullable=True),
        sa.Column("ends", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.PrimaryKeyConstraint("account", "id"),
    )
    op.create_table(
        "rhythms",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("contract", sa.String(), nullable=False),
        sa.Column("workflow_id", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("rhythm", sa.String(), nullable=False),
        sa.Column("every", sa.String(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("coming", sa.JSON(), nullable=False),
        sa.Column("period", sa.String(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("target", UtcInstant(timezone=True), nullable=True),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("ended_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("projected", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.PrimaryKeyConstraint("account", "step"),
    )
    op.create_table(
        "roadmap_touches",
        sa.Column("item", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("touches", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.ForeignKeyConstraint(["item"], ["roadmap_items.id"]),
        sa.PrimaryKeyConstraint("item", "account"),
    )
    op.create_index("ix_roadmap_touches_account", "roadmap_touches", ["account"])
    op.create_table(
        "tech_reviews",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("ask", sa.String(), nullable=False),
        sa.Column("from_case", sa.String(), nullable=True),
        sa.Column("submitter", sa.String(), nullable=False),
        sa.Column("submitted", UtcInstant(timezone=True), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("needed_by", UtcInstant(timezone=True), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("overdue", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("decided", UtcInstant(timezone=True), nullable=True),
        sa.Column("told", UtcInstant(timezone=True), nullable=True),
        sa.Column("acknowledged", UtcInstant(timezone=True), nullable=True),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("revisit", UtcInstant(timezone=True), nullable=True),
        sa.Column("meetings", sa.Integer(), nullable=False),
        sa.Column("closed", UtcInstant(timezone=True), nullable=True),
        sa.Column("waiting_on", sa.JSON(), nullable=False),
        sa.Column("waiting_for", sa.Text(), nullable=True),
        sa.Column("unblock", sa.Text(), nullable=True),
        sa.Column("deadline", UtcInstant(timezone=True), nullable=True),
        sa.Column("since", UtcInstant(timezone=True), nullable=True),
        sa.Column("projected", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.ForeignKeyConstraint(["submitter"], ["members.id"]),
        sa.PrimaryKeyConstraint("ref"),
        sa.UniqueConstraint("number"),
    )
    op.create_index("tech_reviews_by_account", "tech_reviews", ["account"])
    op.create_index("tech_reviews_by_case", "tech_reviews", ["from_case"])
    op.create_index("tech_reviews_by_overdue", "tech_reviews", ["overdue", "number"])
    op.create_table(
        "usage_metrics",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.PrimaryKeyConstraint("account", "metric"),
    )
    op.create_table(
        "wins",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.key"]),
        sa.PrimaryKeyConstraint("account", "id"),
    )
    op.create_table(
        "case_assignments",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("at", UtcInstant(timezone=True), nullable=False),
        sa.Column("member", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("to_page", sa.Boolean(), nullable=False),
        sa.Column("paged_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("refused_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("refusal", sa.String(), nullable=True),
        sa.Column("lead_paged_at", UtcInstant(timezone=True), nullable=True),
        sa.Column("look_again", UtcInstant(timezone=True), nullable=True),
        sa.Column("considered", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["ref"], ["cases.ref"]),
        sa.PrimaryKeyConstraint("ref", "turn"),
    )
    op.create_index("case_assignments_by_time", "case_assignments", ["at"])
    op.create_table(
        "case_log",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("at", UtcInstant(timezone=True), nullable=False),
        sa.Column("by", sa.String(), nullable=True),
        sa.Column("submission", sa.String(), nullable=True),
        sa.Column("about", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["ref"], ["cases.ref"]),
        sa.PrimaryKeyConstraint("ref", "number"),
    )
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
        "goals",
        sa.Column("meeting", sa.String(), nullable=False),
        sa.Column("term", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["meeting"], ["minutes.meeting"]),
        sa.PrimaryKeyConstraint("meeting", "term", "position"),
    )
    op.create_table(
        "milestones",
        sa.Column("contract", sa.String(), nullable=False),
        sa.Column("step", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("due", UtcInstant(timezone=True), nullable=True),
        sa.Column("began", UtcInstant(timezone=True), nullable=True),
        sa.Column("ended", UtcInstant(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("waiting_on", sa.JSON(), nullable=False),
        sa.Column("waiting_for", sa.String(), nullable=True),
        sa.Column("unblock", sa.String(), nullable=True),
        sa.Column("deadline", UtcInstant(timezone=True), nullable=True),
        sa.Column("since", UtcInstant(timezone=True), nullable=True),
        sa.Column("projected", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["contract"], ["contracts.id"]),
        sa.PrimaryKeyConstraint("contract", "step"),
    )
    op.create_table(
        "tech_review_conditions",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ref"], ["tech_reviews.ref"]),
        sa.PrimaryKeyConstraint("ref", "round", "position"),
    )
    op.create_table(
        "tech_review_receipts",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["ref"], ["tech_reviews.ref"]),
        sa.PrimaryKeyConstraint("ref", "key"),
    )
    op.create_table(
        "tech_review_remarks",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("seat", sa.String(), nullable=True),
        sa.Column("by", sa.String(), nullable=True),
        sa.Column("option", sa.String(), nullable=True),
        sa.Column("submission", sa.String(), nullable=True),
        sa.Column("at", UtcInstant(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["ref"], ["tech_reviews.ref"]),
        sa.PrimaryKeyConstraint("ref", "key"),
    )
    op.create_index("tech_review_remarks_by_submission", "tech_review_remarks", ["submission"])
    op.create_table(
        "tech_review_rounds",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("submission", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", UtcInstant(timezone=True), nullable=False),
        sa.Column("again", sa.Boolean(), nullable=False),
        sa.Column("needed_by", UtcInstant(timezone=True), nullable=False),
        sa.Column("design_link", sa.Text(), nullable=True),
        sa.Column("design_version", sa.String(), nullable=True),
        sa.Column("scenarios", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["ref"], ["tech_reviews.ref"]),
        sa.PrimaryKeyConstraint("ref", "round"),
    )
    op.create_table(
        "usage_samples",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["account", "metric"], ["usage_metrics.account", "usage_metrics.metric"]),
        sa.PrimaryKeyConstraint("account", "metric", "day"),
    )
    op.bulk_insert(relays, [{"name": "mail"}])
    # What no model says: an expression's index, one in another order, and a search.
    op.execute("CREATE UNIQUE INDEX members_by_address ON members (lower(email))")
    if op.get_context().dialect.name == "postgresql":
        # The primary key is ordered by the database's language, in which no beginning of a key is a range.
        op.execute('CREATE INDEX messages_by_key ON messages (key COLLATE "C")')
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
