"""What a bot keeps on this machine: lock, halt, starts, runs, notes of orders, orders left."""

import hashlib
import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from market_maker.account import Account
from market_maker.clock import SYSTEM, Clock
from market_maker.errors import NotNoted, SettingsError
from market_maker.guard.lock import Holder, InstanceLock
from market_maker.guard.shared import SUFFIX, SharedFile
from market_maker.models import CreateEvent, OpenOrder, OrderRequest
from market_maker.orders.notes import Notes, note_of, read_notes
from market_maker.private_files import PrivateFiles, default_directory

logger = logging.getLogger(__name__)

KILL_SWITCH = "kill switch"
"""The reason of a halt that a person asks for."""
KEPT_RUNS = 100
KEPT_NOTES = 10_000
STARTS, STARTS_MS = 5, 600_000
"""More starts than this within so many ms, none of which has ended cleanly, are a crash loop."""
TEXT_LIMIT = 300


class RunFiles:
    """The files of one account, market and prefix, in a directory that only we can enter.

    A file that cannot be written is logged, and stops nothing but creates that must be noted. The
    key is never written, only a short hash of host and key in the names. `lock` is the one against
    a second instance.
    """

    def __init__(
        self, account: Account, *, directory: Path | None = None, clock: Clock = SYSTEM
    ) -> None:
        key = account.api_key.reveal()
        who = hashlib.sha256(f"{urlsplit(account.base_url).netloc}\n{key}".encode()).hexdigest()
        symbol = account.symbol.replace("/", "_")
        market = f"{account.instrument_type}-{account.settle_currency}-{symbol}"
        self._who = who[:12]
        self._market = f"{self._who}-{market}-"
        self.name = f"{self._market}{account.prefix}"
        self._clock = clock
        self.directory = directory or default_directory()
        self._files = PrivateFiles(self.directory, self.name)
        self.lock = InstanceLock(self._files, clock)
        self._noted = 0
        self.has_sent = False
        """Whether a create has left since these files were opened."""
        found = self._files.read_json(".json") or {}
        self.must_note = not account.is_contract or found.get("nameless") is True
        """Whether no create may leave without a note: the venue's rows show no client_oid."""
        self._trouble: str | None = None
        """Why notes cannot be written; empty while they can, None until that was tried."""

    def shared(self) -> SharedFile:
        """Return what the processes of this host and key tell each other, whatever they trade."""
        return SharedFile(PrivateFiles(self.directory, self._who))

    def bots_of_the_symbol(self) -> Iterator[tuple[str, Holder]]:
        """Yield the bots of this machine with this account and symbol: prefix, process."""
        for path in sorted(self.directory.glob(f"{self._market}*.lock")):
            holder = InstanceLock(PrivateFiles(self.directory, path.stem)).holder()
            if holder and not holder.is_guard:
                yield path.stem.removeprefix(self._market), holder

    def close(self) -> None:
        """Close the lock file. A lock that nobody has inherited ends with it."""
        self.lock.close()

    # --- the halt latch -------------------------------------------------------------------------

    def halt(self, reason: str) -> bool:
        """Latch a halt, unless there is one; return whether there is one now."""
        time = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        return bool(self.halted()) or self._files.write(".halt", f"{reason} ({time:%F %T} UTC)\n")

    def halted(self) -> str:
        """Return why no bot may quote, with the time; empty when they may."""
        try:
            text = self._files.read(".halt", TEXT_LIMIT)
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"the halt file cannot be read: {error.strerror}"
        return "".join(c for c in text if c.isprintable()).strip() or "the halt file says no reason"

    def clear_halt(self) -> None:
        """Remove the halt latch, and count starts from zero.

        Raises SettingsError when it cannot be removed.
        """
        self._files.remove(".halt")
        self._update(starts=[])
        if self.halted():
            raise SettingsError(f"the halt stays: take {self._files.path('.halt')} away yourself")

    # --- starts and runs ------------------------------------------------------------------------

    def note_start(self) -> str:
        """Count a start; return what is wrong when there were too many, else empty text."""
        now = self._clock.now_ms()
        starts = [at for at in self._list("starts", int) if 0 <= now - at <= STARTS_MS] + [now]
        self._update(starts=starts[-10 * STARTS :])
        if len(starts) <= STARTS:
            return ""
        return f"crash loop: {len(starts)} starts in {STARTS_MS // 60_000} min ended uncleanly"

    def note_clean_end(self) -> None:
        """Remove our start from the count: it was not a crash."""
        self._update(starts=self._list("starts", int)[:-1])

    def note_run(self, run: str) -> None:
        """Record the id of a run of this machine, which may send orders from now on."""
        runs = [*(known for known in self.runs() if known != run), run][-KEPT_RUNS:]
        self._update(runs=runs, sends=True)

    def may_be_late(self) -> bool | None:
        """Return whether an order of an earlier run may still arrive.

        None when no run of this machine is on record. A record that cannot be read counts as yes.
        """
        found = self._files.read_json(".json")
        return None if found is None else found.get("sends") is not False

    def runs(self) -> tuple[str, ...]:
        """Return the ids of the latest runs of this machine, oldest first.

        An order of ours with another one is another machine's.
        """
        return tuple(self._list("runs", str))

    def known_runs(self) -> frozenset[str] | None:
        """Return the same as a set; None when the record cannot be read."""
        found = self._files.read_json(".json")
        return None if found == {} else frozenset(self.runs())

    # --- notes of creates -----------------------------------------------------------------------

    def note_create(self, event: CreateEvent, order: OrderRequest | OpenOrder, detail: str) -> None:
        """Record what becomes of a create (see `GTE.on_create`); from any thread, not synced.

        Where the venue's rows show no client_oid (spot, and some rows of contracts), only this
        tells which orders are ours. Raises NotNoted for a create that must not leave without.
        """
        trouble = self._append(note_of(event, order, detail))
        self._noted += event is CreateEvent.LEAVING
        self.has_sent |= event is CreateEvent.LEAVING
        if trouble and self.must_note and event is CreateEvent.LEAVING:
            raise NotNoted(f"the order cannot be noted: {trouble}")

    def note_nameless(self) -> None:
        """Record that the venue's rows show own orders without client_oid."""
        if not self.must_note:
            self.must_note = True
            self._update(nameless=True)

    def check_notes(self) -> str:
        """Return why no create may leave, as it could not be noted; empty text if one may."""
        if self._trouble != "":
            self._append("")
        return (self._trouble or "") if self.must_note else ""

    def notes(self) -> Notes:
        """Return what was recorded since all was last proven clean. A torn line is left out.

        They are not whole where they cannot be read, and orders are known by nothing else.
        """
        try:
            text = self._files.read(".notes")
        except FileNotFoundError:
            return Notes(is_whole=self._files.is_there() or not self.must_note)
        except OSError as error:
            logger.error("%s cannot be read: %s.", self._files.path(".notes"), error)
            return Notes(is_whole=not self.must_note)
        return read_notes(text.splitlines())

    def keep_notes(self, live: Collection[OpenOrder]) -> None:
        """Drop all notes but those of these orders, once they are many.

        Not while the outcome of a create is unknown: its note is what tells it. Must not be called
        while orders are being sent.
        """
        if self._noted > KEPT_NOTES and all(order.order_id for order in live):
            self._noted = 0
            lines = [note_of(CreateEvent.CREATED, order, order.order_id) + "\n" for order in live]
            self._files.write(".notes", "".join(lines))

    # --- the run's money ------------------------------------------------------------------------

    def write_money(self, trades: Mapping[str, str]) -> None:
        """Record what the run has traded so far. Written, not synced."""
        self._files.write(".money", json.dumps(dict(trades)) + "\n", sync=False)

    def money(self) -> dict[str, str]:
        """Return what the previous run has traded; empty if it was not recorded."""
        found = self._files.read_json(".money") or {}
        return {str(name): str(value) for name, value in found.items()}

    def forget_money(self) -> None:
        """Remove the record: a new run begins."""
        self._files.remove(".money")

    # --- orders left ----------------------------------------------------------------------------

    def write_orders_left(self, reason: str, orders: Sequence[str]) -> None:
        """List the orders that may be left, for a person."""
        time = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        found = {"time": f"{time:%F %T} UTC", "reason": reason, "orders": list(orders)}
        self._files.write(".orders_left.json", json.dumps(found, indent=1) + "\n")

    def orders_left(self) -> tuple[str, ...] | None:
        """Return the orders that may be left, as far as they are known; None when proven clean."""
        found = self._files.read_json(".orders_left.json")
        if found is None:
            return None
        orders = found.get("orders")
        return tuple(map(str, orders)) if isinstance(orders, list) else ()

    def clear_orders_left(self) -> None:
        """Remove the list: none is left."""
        self._files.remove(".orders_left.json")

    def note_proven_clean(self) -> None:
        """Record that no order is left, and that none can arrive any more: the run has ended."""
        self.clear_orders_left()
        self._files.remove(".notes")
        self._update(sends=False)

    def discard(self) -> None:
        """Remove all files, for an account that nobody will use again."""
        for suffix in (".lock", ".json", ".halt", ".notes", ".money", ".orders_left.json"):
            self._files.remove(suffix)
        PrivateFiles(self.directory, self._who).remove(SUFFIX)

    # --- inside ---------------------------------------------------------------------------------

    def _append(self, line: str) -> str:
        trouble = self._files.append(".notes", line)
        if trouble and trouble != self._trouble:
            logger.error("Creates cannot be noted: %s.", trouble)
        self._trouble = trouble
        return trouble

    def _list(self, name: str, kind: type) -> list[Any]:
        found = (self._files.read_json(".json") or {}).get(name)
        items = found if isinstance(found, list) else []
        return [item for item in items if type(item) is kind]

    def _update(self, **changed: object) -> None:
        found = self._files.read_json(".json")
        vouched = {"sends": False} if found is None else {"sends": True} | found
        if vouched | changed != found:
            self._files.write(".json", json.dumps(vouched | changed) + "\n")


def holders(directory: Path) -> list[Holder]:
    """Return the bots that hold the locks of a directory; guards are left out."""
    names = [path.stem for path in sorted(directory.glob("*.lock"))]
    found = [InstanceLock(PrivateFiles(directory, name)).holder() for name in names]
    return [holder for holder in found if holder and not holder.is_guard]
