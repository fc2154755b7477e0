"""A session is one safetensors file: save, load, list, lock.

path = path_of(folder, "demo")
with Lock(path, "training"):
    session = load_or_previous(path)
    session.stamp = save(path, session, expect=session.stamp)
"""

from __future__ import annotations

from rnn_tui.session.coded import pack_coding, pack_vocabulary
from rnn_tui.session.contents import (
    NO_PROGRESS,
    pack_samples,
    pack_text,
    thin_samples,
    unpack_samples,
)
from rnn_tui.session.files import FILES, DamagedError, Files, SessionError, Stamp, stamp, sweep
from rnn_tui.session.folder import cell_line, copy, delete, list_gallery, list_sessions, rename, row
from rnn_tui.session.lock import Holder, Lock, break_dead, busy, holder
from rnn_tui.session.names import (
    VERBS,
    check_name,
    companion,
    derive_name,
    existing,
    find,
    free_name,
    name_of,
    path_of,
)
from rnn_tui.session.places import (
    gallery_folder,
    is_gallery,
    last_session,
    prepare_folder,
    recent_folders,
    remember,
    sessions_folder,
    state_folder,
)
from rnn_tui.session.session_file import FORMAT, SessionFile, load, load_or_previous, save, set_aside

__all__ = [
    "FILES",
    "FORMAT",
    "NO_PROGRESS",
    "VERBS",
    "DamagedError",
    "Files",
    "Holder",
    "Lock",
    "SessionError",
    "SessionFile",
    "Stamp",
    "break_dead",
    "busy",
    "cell_line",
    "check_name",
    "companion",
    "copy",
    "delete",
    "derive_name",
    "existing",
    "find",
    "free_name",
    "gallery_folder",
    "holder",
    "is_gallery",
    "last_session",
    "list_gallery",
    "list_sessions",
    "load",
    "load_or_previous",
    "name_of",
    "pack_coding",
    "pack_samples",
    "pack_text",
    "pack_vocabulary",
    "path_of",
    "prepare_folder",
    "recent_folders",
    "remember",
    "rename",
    "row",
    "save",
    "sessions_folder",
    "set_aside",
    "stamp",
    "state_folder",
    "sweep",
    "thin_samples",
    "unpack_samples",
]
