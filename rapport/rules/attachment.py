"""What may be attached to a mail: documents, pictures and plain text, within the size that relays take.

What a receiver's machine could run is refused: by its name, and by what its first bytes say whatever its name is. Code
goes as text.
"""

from __future__ import annotations

from typing import Final

from rapport.model.base import UserError, WireModel, plain

MAX_TOTAL: Final = 10_000_000
"""The most that one mail carries, in bytes; many relays refuse more than 20 MB, and base64 adds a third."""

MAX_FILES: Final = 10
MAX_FILE_NAME: Final = 100

_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_OPEN: Final = "application/vnd.oasis.opendocument."
TYPES: Final = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "log": "text/plain",
    "json": "application/json",
    "yaml": "text/plain",
    "yml": "text/plain",
    "toml": "text/plain",
    "ics": "text/calendar",
    "docx": f"{_OFFICE}wordprocessingml.document",
    "xlsx": f"{_OFFICE}spreadsheetml.sheet",
    "pptx": f"{_OFFICE}presentationml.presentation",
    "odt": f"{_OPEN}text",
    "ods": f"{_OPEN}spreadsheet",
    "odp": f"{_OPEN}presentation",
}
"""The type of a file, by what its name ends in."""

_BEGIN: Final = {
    "application/pdf": b"%PDF-",
    "image/png": b"\x89PNG\r\n",
    "image/jpeg": b"\xff\xd8\xff",
    "image/gif": b"GIF8",
    **{type_: b"PK" for type_ in TYPES.values() if type_.startswith((_OFFICE, _OPEN))},
}
_RUNS: Final = (
    b"MZ",
    b"\x7fELF",
    b"#!",
    b"\xfe\xed\xfa",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
)


class File(WireModel):
    """A file as a mail carries it."""

    name: str
    type: str
    content: bytes


def checked(name: str, content: bytes) -> File:
    """A file that may be attached.

    Raises:
        UserError: Its name could forge a header or names no kind that is taken, it is empty or too large, or it is
            something else than its name says.
    """
    try:
        name = plain(name)
    except ValueError as error:
        problem, _, fix = str(error).partition("; ")
        raise UserError(problem, field="name", fix=fix) from None
    if not name or len(name) > MAX_FILE_NAME or name.startswith(".") or set(name) & set('/\\:*?"<>|;'):
        fix = f'write a plain name of at most {MAX_FILE_NAME} characters, such as "slides.pdf"'
        raise UserError("is no name for a file", field="name", fix=fix)
    _, dot, ending = name.lower().rpartition(".")
    type_ = TYPES.get(ending) if dot else None
    if type_ is None:
        raise UserError(
            f'files ending in "{ending[:20]}" are not sent' if dot else "has no ending that says what it is",
            field="name",
            fix=f"send one of {', '.join(TYPES)}; code goes as .txt",
        )
    if not content:
        raise UserError("is empty", field="file", fix="choose the file that you mean")
    _refuse_large(len(content))
    begins = _BEGIN.get(type_)
    if content.startswith(_RUNS) or not (content.startswith(begins) if begins else _is_text(content)):
        raise UserError(f"is no {ending} file inside", field="file", fix="send it as what it is")
    return File(name=name, type=type_, content=content)


def refuse_too_much(sizes: list[int]) -> None:
    """Refuse what is too much for one mail.

    Raises:
        UserError: There are too many files, or they are too large together.
    """
    if len(sizes) > MAX_FILES:
        raise UserError(f"would have more than {MAX_FILES} files", field="file", fix="put some of them together")
    _refuse_large(sum(sizes))


def _refuse_large(size: int) -> None:
    if size > MAX_TOTAL:
        raise UserError(
            f"would carry more than {MAX_TOTAL // 1_000_000} MB", field="file", fix="send a link to it in the text"
        )


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False
