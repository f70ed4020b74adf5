"""Seeded bugs: small mistakes in the live bot, each of which the tests must notice.

They were written from the code alone, before any look at the tests. The list is frozen: none may be
removed or made easier. Where the code moves, only the texts are fitted to it again.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bug:
    """One mistake: in `file` (below market_maker/), `new` instead of `old`, which is there once."""

    name: str
    file: str
    old: str
    new: str
    harmless: str = ""
    """Why nobody would notice it, if that has turned out; such a bug need not be caught."""

    @property
    def room(self) -> str:
        """The part of the bot that it is in."""
        folder, _, _ = self.file.rpartition("/")
        faces = {"gte.py": "gte", "market_maker.py": "face"}
        return folder or faces.get(self.file, "ground")


BUGS = (
    # --- ground ---------------------------------------------------------------------------------
    Bug(
        "quantity rounded to the nearest lot instead of down",
        "decimals.py",
        "    return Decimal(str(qty)) // lot * lot\n",
        "    return round(Decimal(str(qty)) / lot) * lot\n",
    ),
    Bug(
        "a closing fill counts for the wrong leg",
        "models.py",
        "        return (self.side is Side.BUY) is not self.order.close\n",
        "        return self.side is Side.BUY\n",
    ),
    Bug(
        "what reduces the position is cancelled first",
        "models.py",
        "key=lambda o: (o.side.sign * net < 0, abs(o.price - near))",
        "key=lambda o: (o.side.sign * net > 0, abs(o.price - near))",
    ),
    Bug(
        "post-only looks at the own side of the book",
        "models.py",
        "        other = self.ask if side is Side.BUY else self.bid\n",
        "        other = self.bid if side is Side.BUY else self.ask\n",
    ),
    Bug(
        "the last price values a position before the mark",
        "models.py",
        "        return self.mark_price or self.mid_price or self.last_price\n",
        "        return self.last_price or self.mark_price or self.mid_price\n",
    ),
    Bug(
        "creates still leave while a restart is asked for",
        "control.py",
        "        return bool(self.stop_reason) or self.is_restarting\n",
        "        return bool(self.stop_reason)\n",
    ),
    Bug(
        "a later halt overwrites the first reason",
        "control.py",
        "        if not self.halt_reason:\n            self.halt_reason = fit(reason)\n"
        '            self.wake.put("halt")\n',
        '        self.halt_reason = fit(reason)\n        self.wake.put("halt")\n',
    ),
    Bug(
        "an id with a wrong check digit counts as ours",
        "client_oid.py",
        "    return right_length and client_oid.startswith(prefix) and check == _check(body)\n",
        "    return right_length and client_oid.startswith(prefix) and bool(check and body)\n",
    ),
    # --- strategy -------------------------------------------------------------------------------
    Bug(
        "the gate forgets orders that are being cancelled",
        "strategy/risk.py",
        "    rooms = {side: Room(side, snapshot, limits, snapshot.orders) for side in Side}\n",
        '    rest = [o for o in snapshot.orders if o.state.value != "cancelling"]\n'
        "    rooms = {side: Room(side, snapshot, limits, rest) for side in Side}\n",
    ),
    Bug(
        "unseen fills enlarge what can be closed",
        "strategy/risk.py",
        "    return min(held, leg.available - filled + reserved) - others\n",
        "    return min(held, leg.available + filled + reserved) - others\n",
    ),
    Bug(
        "closes count the leg by its highest view",
        "strategy/risk.py",
        "    held = exposure.short_low if is_buy else exposure.long_low\n",
        "    held = exposure.short_high if is_buy else exposure.long_high\n",
    ),
    Bug(
        "the index price is missing from the collar",
        "models.py",
        '(("mark", self.mark_price), ("index", self.index_price))',
        '(("mark", self.mark_price),)',
    ),
    Bug(
        "the collar of sells is above the reference",
        "models.py",
        "1 + side.sign * far",
        "1 + far",
    ),
    Bug(
        "one order more than MAX_OPEN_ORDERS passes",
        "strategy/risk.py",
        "why or (places < 0 and",
        "why or (places < -1 and",
    ),
    Bug(
        "limits count the better view of the net position",
        "strategy/risk.py",
        "    return exposure.net_high if side is Side.BUY else -exposure.net_low\n",
        "    return exposure.net_low if side is Side.BUY else -exposure.net_high\n",
    ),
    Bug(
        "reducing may go through zero to the other side",
        "strategy/risk.py",
        "        most = max(held, ZERO) if not limits.check else min(most, max(held, ZERO))\n",
        "        most = abs(held) if not limits.check else min(most, abs(held))\n",
    ),
    Bug(
        "closes in net mode take no room",
        "strategy/risk.py",
        "        if self.room is not None and not (is_close and self._is_hedge):\n",
        "        if self.room is not None and not is_close:\n",
    ),
    Bug(
        "spot funds: sells are paid at the price",
        "strategy/risk.py",
        "(o.price if side is Side.BUY else 1)",
        "(o.price if side is Side.SELL else 1)",
    ),
    Bug(
        "an order that is being cancelled is kept",
        "strategy/convergence.py",
        "            and o.state is not OrderState.CANCELLING\n",
        "",
    ),
    Bug(
        "a new sell may trade with an own buy on its way out",
        "strategy/convergence.py",
        "        if against:\n",
        "        if against and side is Side.BUY:\n",
    ),
    Bug(
        "extra orders may trade with own ones",
        "strategy/decision.py",
        "        reason = risk.conflict(order, snapshot.orders)\n",
        '        reason = ""\n',
    ),
    Bug(
        "start prices may be equal",
        "strategy/ladder.py",
        "    if buy > sell - tick / 2:",
        "    if buy > sell + tick / 2:",
    ),
    Bug(
        "only the sell steps back, by the whole spread",
        "strategy/ladder.py",
        "        buy *= 1 - min_spread / 2\n        sell *= 1 + min_spread / 2\n",
        "        sell *= 1 + min_spread\n",
    ),
    Bug(
        "level sizes grow one step too early",
        "strategy/ladder.py",
        "_exact(start_size) + (abs(index) - 1) * _exact(step_size)",
        "_exact(start_size) + abs(index) * _exact(step_size)",
    ),
    # --- money ----------------------------------------------------------------------------------
    Bug(
        "the profit of an inverse contract has the wrong sign",
        "money/profit.py",
        "        return -earned if instrument.is_contract else earned\n",
        "        return earned\n",
    ),
    Bug(
        "trades are resumed with bought and sold exchanged",
        "money/profit.py",
        "        self.bought, self.sold, self.paid, self.seized = bought, sold, paid, seized\n",
        "        self.bought, self.sold, self.paid, self.seized = sold, bought, paid, seized\n",
    ),
    Bug(
        "a fill is valued without its average price",
        "money/valuation.py",
        "    return after if abs(after / plain_value - 1) < BELIEVABLE else plain_value\n",
        "    return plain_value\n",
    ),
    Bug(
        "a second fill is valued at the average of the whole order",
        "money/valuation.py",
        "    if fill.before.filled:\n"
        "        after -= value(instrument, fill.before.filled, fill.before.avg_price)\n",
        "    after = value(instrument, fill.qty, fill.order.avg_price)\n",
    ),
    Bug(
        "a closing fill enlarges its leg",
        "money/position.py",
        "    return -fill.qty if fill.order.close else fill.qty\n",
        "    return fill.qty\n",
    ),
    Bug(
        "a fill read after the latest position row is not counted",
        "money/position.py",
        "if f.is_long is is_long and f.arrival >= at]",
        "if f.is_long is is_long and f.arrival > at]",
    ),
    Bug(
        "the position base is reset at the first proposal",
        "money/position.py",
        "            self._proposed = found\n            return None\n",
        "            self._proposed = found\n",
    ),
    Bug(
        "the new position base counts own fills twice",
        "money/position.py",
        "                line.base = leg.qty - line.own\n"
        "                line.difference, line.last_matching = ZERO, leg\n",
        "                line.base = leg.qty\n"
        "                line.difference, line.last_matching = ZERO, leg\n",
    ),
    Bug(
        "liquidation: the sides of the mark are exchanged",
        "money/position.py",
        "low <= price * (1 + NEAR_LIQUIDATION) if is_long else",
        "low <= price * (1 + NEAR_LIQUIDATION) if not is_long else",
    ),
    Bug(
        "a doubt about our valuation never ends",
        "money/money.py",
        '                return\n        self.doubt = ""\n',
        "                return\n",
    ),
    # --- safety ---------------------------------------------------------------------------------
    Bug(
        "a clock that is behind counts as right",
        "safety/trading_state.py",
        "    if abs(offset_ms) <= CLOCK_MS:\n",
        "    if offset_ms <= CLOCK_MS:\n",
    ),
    Bug(
        "a short position is never implausible",
        "safety/trading_state.py",
        "abs(facts.position) <= limit * IMPLAUSIBLE",
        "facts.position <= limit * IMPLAUSIBLE",
    ),
    Bug(
        "the first state found wins, not the most severe",
        "safety/trading_state.py",
        "    return max(found, key=lambda each: each.state.severity, "
        "default=Health(TradingState.ACTIVE))\n",
        "    return next(iter(found), Health(TradingState.ACTIVE))\n",
    ),
    Bug(
        "prices below the mark are never apart from it",
        "safety/trading_state.py",
        "        if price is not None and abs(price / instrument.mark_price - 1) > APART:\n",
        "        if price is not None and price / instrument.mark_price - 1 > APART:\n",
    ),
    Bug(
        "a position mismatch does not reduce",
        "safety/trading_state.py",
        '    (REDUCING, _over(MISMATCH_REDUCING, "mismatch_for", MISMATCH)),\n',
        "",
    ),
    Bug(
        "a breaker that has counted slowly never trips again",
        "safety/breakers.py",
        "        while len(seen) >= rule.limit:\n",
        "        while len(seen) > rule.limit:\n",
    ),
    Bug(
        "as many fills as MAX_FILLS halt already",
        "safety/breakers.py",
        "    return Rule(most + 1, 60, HALTED",
        "    return Rule(most, 60, HALTED",
    ),
    Bug(
        "audits that find different levels wrong add up to a drift",
        "safety/book_audit.py",
        "    again = wrong & audit.wrong\n",
        "    again = wrong | audit.wrong\n",
    ),
    # --- trading --------------------------------------------------------------------------------
    Bug(
        "no resync after a standstill",
        "trading/wait.py",
        '        self._exchange.resync("process stood still or clock was set")\n',
        "",
    ),
    Bug(
        "a halt by the rules without its brake on creates",
        "trading/loop.py",
        "        self._control.halt(found.reason)\n        if not self._halt_logged:\n",
        "        if not self._halt_logged:\n",
    ),
    Bug(
        "a strategy that always fails is never halted",
        "trading/loop.py",
        "        self._failing_since = now if failing_since is None else failing_since\n",
        "        self._failing_since = now\n",
    ),
    Bug(
        "the silence before a heartbeat is measured after it",
        "trading/loop.py",
        "        if self.may_have_pulled(now - self._heartbeat_at):\n"
        "            self._exchange.orders.tracker.all_pulled()\n"
        "        self._heartbeat_at = now\n",
        "        self._heartbeat_at = now\n"
        "        if self.may_have_pulled(now - self._heartbeat_at):\n"
        "            self._exchange.orders.tracker.all_pulled()\n",
    ),
    Bug(
        "quotes count as confirmed until the first bad tick",
        "trading/pull.py",
        "            self._unconfirmed_since = begun - self._exchange.unconfirmed_for()\n",
        "            self._unconfirmed_since = begun\n",
    ),
    Bug(
        "a halt does not ask the venue when it knows of no order",
        "trading/pull.py",
        "            self._halt_pulled |= self.pull(why, surely=not self._halt_pulled)\n",
        "            self._halt_pulled |= self.pull(why)\n",
    ),
    Bug(
        "the ticker holds our own orders",
        "trading/view.py",
        "self._feed.view(self._orders.own_quantity())",
        "self._feed.view({})",
    ),
    Bug(
        "a plan is reused after the limits have changed",
        "trading/converger.py",
        "(last.wanted, last.snapshot, last.limits, last.relist) != inputs:",
        "(last.wanted, last.snapshot, last.relist) != (inputs[0], inputs[1], relist):",
    ),
    Bug(
        "a single refused create does not rest the creates",
        "trading/converger.py",
        "        if self._exchange.execute(plan):\n",
        "        if self._exchange.execute(plan) > 1:\n",
    ),
    Bug(
        "MAX_LOSS halts on a profit",
        "trading/account_watch.py",
        "if max_loss and loss >= max_loss:",
        "if max_loss and -loss >= max_loss:",
    ),
    Bug(
        "the position base is reset with an outcome unknown",
        "trading/position_watch.py",
        "states & {OrderState.SENT, OrderState.UNKNOWN}",
        "states & {OrderState.SENT}",
    ),
    Bug(
        "an old price over REST completes the instrument",
        "trading/price_watch.py",
        "        if read is None or self._clock.monotonic() - self._read_at > PRICE_OLD:\n",
        "        if read is None:\n",
    ),
    Bug(
        "a margin that is not told counts as no position",
        "trading/monitor.py",
        "all(margin.position_margin == 0 for margin in margins)",
        "not any(margin.position_margin for margin in margins)",
    ),
    Bug(
        "unrealised profit has the wrong sign",
        "trading/bitmex_names.py",
        "            profit += sign * (paid - worth)",
        "            profit += sign * (worth - paid)",
    ),
    Bug(
        "the limit for implausible positions forgets the short side",
        "trading/exchange.py",
        "        return exact(max(settings.MAX_POSITION, -settings.MIN_POSITION))\n",
        "        return exact(settings.MAX_POSITION)\n",
    ),
    Bug(
        "churn forgets the creates of the last minute",
        "trading/create_brake.py",
        "        while self._created and now - self._created[0] > MINUTE:\n",
        "        while self._created and now - self._created[0] < MINUTE:\n",
    ),
    Bug(
        "an amend places the filled quantity again",
        "trading/amends.py",
        "            return (before.qty if total is None else total) - filled\n",
        "            return before.qty if total is None else total\n",
    ),
    Bug(
        "a random size is drawn again for the other side",
        "trading/level_sizes.py",
        "        sign = -1 if fill.side is Side.BUY else 1\n",
        "        sign = 1 if fill.side is Side.BUY else -1\n",
    ),
    # --- orders ---------------------------------------------------------------------------------
    Bug(
        "leaving without the final list when no order is known",
        "orders/executor.py",
        "        while True:\n            tried = self._clock.monotonic()\n",
        "        while self._tracker.live():\n            tried = self._clock.monotonic()\n",
    ),
    Bug(
        "an accepted cancel counts as the end of the order",
        "orders/sweep.py",
        "        if not has_time():\n"
        "            return Step(left=tuple(self._orders), trouble=OPEN_STILL)\n",
        "        if tried and all(order_id in self._asked for order_id in tried):\n"
        "            return Step(is_done=True)\n"
        "        if not has_time():\n"
        "            return Step(left=tuple(self._orders), trouble=OPEN_STILL)\n",
    ),
    Bug(
        "creates still leave after a halt",
        "orders/last_check.py",
        "        if control.is_stopping or control.is_halted or "
        "self._gte.clock.is_contradicted():\n",
        "        if control.is_stopping or self._gte.clock.is_contradicted():\n",
    ),
    Bug(
        "creates still leave after a reconnect",
        "orders/last_check.py",
        "not feed.is_connected() or feed.epoch != self._epoch or feed.missing()",
        "not feed.is_connected() or feed.missing()",
    ),
    Bug(
        "an old row takes back fills",
        "orders/tracker.py",
        "        filled = min(max(row.filled, known.filled), known.qty)\n",
        "        filled = row.filled\n",
    ),
    Bug(
        "one list without an order proves it absent",
        "orders/tracker.py",
        "        if begun - since < apart:\n            return False\n",
        "",
    ),
    Bug(
        "an order stays cancelling though its cancel has not left",
        "orders/executor.py",
        "            if outcome.error and not isinstance(outcome.error, OrderGone):\n",
        "            if outcome.error and not isinstance(outcome.error, OrderGone | NotSent):\n",
    ),
    Bug(
        "a create of unknown outcome counts as refused",
        "orders/executor.py",
        '            logger.warning("%s", error)\n'
        "            self._tracker.lost(request.client_oid, self._clock.monotonic())\n",
        '            logger.warning("%s", error)\n'
        "            self._tracker.refused(request.client_oid)\n",
    ),
    Bug(
        "creates stay in the state sent after an exception",
        "orders/executor.py",
        "        finally:\n"
        "            for request in creates:  # a create without an outcome may have left\n"
        "                self._tracker.lost(request.client_oid, self._clock.monotonic())\n",
        "        finally:\n            self.heartbeat()\n",
    ),
    Bug(
        "a step back of the venue's clock does not prolong the wait for a late order",
        "orders/sweep.py",
        "    return since if since == -math.inf else "
        "max(since, clock.stepped_back_at) + LATE_SECONDS\n",
        "    return since + LATE_SECONDS\n",
    ),
    Bug(
        "the first empty list is a proof though an order may be late",
        "orders/sweep.py",
        "            if not self._orders and begun < proves_from:\n"
        "                return Step(wait=min(LATE_LOOK, proves_from - begun))\n",
        "",
    ),
    Bug(
        "a cancel that the venue has lost is never repeated",
        "orders/sweep.py",
        "self._asked.get(order.order_id, long_ago) <= long_ago",
        "order.order_id not in self._asked",
    ),
    Bug(
        "the sweep cancels another bot's orders",
        "orders/sweep.py",
        "        if not is_ours(oid, prefix) or run_of(oid, prefix) in self._excluded_runs:\n",
        "        if not is_ours(oid, prefix):\n",
    ),
    Bug(
        "a start after a crash does not wait for late orders",
        "orders/startup.py",
        "                late_since=begun if earlier.may_be_late else -math.inf,\n",
        "                late_since=-math.inf,\n",
    ),
    Bug(
        "the page of ended orders begins after the first of them",
        "orders/reconciler.py",
        "after=str(left[0] - 1), count=PAGE",
        "after=str(left[0]), count=PAGE",
    ),
    Bug(
        "reads stay failed for ever after one failure",
        "orders/reconciler.py",
        "        self._stale_since = None\n        self._is_requested = False\n",
        "        self._is_requested = False\n",
    ),
    Bug(
        "orders count as known after a failed read on a new connection",
        "orders/reconciler.py",
        "            return not is_new\n",
        "            return True\n",
        "Exchange.refresh() asks is_reconciled() as well, which is false until a read succeeds",
    ),
    Bug(
        "nameless rows that outnumber our creates are cancelled",
        "orders/notes.py",
        "        if len(fitting) > len(alike):\n",
        "        if not alike:\n",
    ),
    Bug(
        "orders of unknown outcome are looked for above the youngest",
        "orders/unacknowledged.py",
        '        return min(floors, key=id_number, default="")\n',
        '        return max(floors, key=id_number, default="")\n',
    ),
    # --- ws -------------------------------------------------------------------------------------
    Bug(
        "a second image keeps rows of the first",
        "ws/tables.py",
        '        if action == "partial":\n            self._rows[table] = {}\n',
        "",
    ),
    Bug(
        "a leg without a row has no arrival",
        "ws/tables.py",
        "        none = Leg(arrival=self._position_arrival, at=at)\n",
        "        none = Leg(at=at)\n",
    ),
    Bug(
        "old prices are kept a thousand times too long",
        "ws/tables.py",
        "for name, at in self._told.items() if now - at > PRICE_OLD\n",
        "for name, at in self._told.items() if now - at > PRICE_OLD * 1000\n",
    ),
    Bug(
        "a reconnect is no new epoch",
        "ws/ws_thread.py",
        '            self._reconnect_reason = ""\n            self.epoch += 1\n',
        '            self._reconnect_reason = ""\n            self.epoch = 1\n',
    ),
    Bug(
        "a new connection goes on with the old tables",
        "ws/ws_thread.py",
        "            self._tables, self._session = Tables(*self._names), session\n",
        "            self._session = session\n",
    ),
    Bug(
        "tables are trusted until the reconnect has happened",
        "ws/ws_thread.py",
        "        heard = self._tables.heard if self._session.is_open and "
        "not self._reconnect_reason else {}\n",
        "        heard = self._tables.heard if self._session.is_open else {}\n",
    ),
    Bug(
        "a table is taken as empty on another connection than was asked",
        "ws/ws_thread.py",
        '            if is_missing and self.epoch == epoch and (table != "position" or is_new):\n',
        '            if is_missing and (table != "position" or is_new):\n',
    ),
    Bug(
        "the bytes allowed for a message are those of the connection",
        "ws/session.py",
        "            return None\n        self._line.allowance = MESSAGE_LIMIT\n",
        "            return None\n",
    ),
    Bug(
        "the lag of the feed has the wrong sign",
        "ws/session.py",
        "            self.vitals.record_lag(self._now() - time)\n",
        "            self.vitals.record_lag(time - self._now())\n",
    ),
    Bug(
        "frames are good news before every table is shown",
        "ws/vitals.py",
        "        if good:\n            self._good_at = now\n",
        "        self._good_at = now\n",
    ),
    Bug(
        "a stalled feed thread goes on with what is stale",
        "ws/vitals.py",
        "        if now - before > STALLED_AFTER:\n"
        '            raise ConnectionError(f"feed thread stalled for {now - before:.0f} s")\n',
        "",
    ),
    Bug(
        "the back-off of failed attempts is never reset",
        "ws/back_off.py",
        "        self._failed, self._lost = 0, self.lost_in_a_row(lost, now) + (not is_given_up)\n",
        "        self._lost = self.lost_in_a_row(lost, now) + (not is_given_up)\n",
    ),
    # --- wire -----------------------------------------------------------------------------------
    Bug(
        "a place in the budget leaks on an exception",
        "wire/transport.py",
        "        finally:\n"
        "            self._finish(endpoint, endpoint.seconds if given_up else 0.0)\n",
        "        else:\n"
        "            self._finish(endpoint, endpoint.seconds if given_up else 0.0)\n",
    ),
    Bug(
        "a create without an answer counts as never sent",
        "wire/transport.py",
        "        if isinstance(error, requests.ConnectTimeout) or isinstance(\n",
        "        if isinstance(error, requests.Timeout) or isinstance(\n",
    ),
    Bug(
        "a call that is given up frees its place at once",
        "wire/transport.py",
        "            given_up = not isinstance(found, NotSent)\n",
        "            given_up = isinstance(found, NotSent)\n",
    ),
    Bug(
        "cancels pause for as long as the venue asks",
        "wire/transport.py",
        "                asked_for=0.0 if endpoint.is_cancel else asked_for,\n",
        "                asked_for=asked_for,\n",
    ),
    Bug(
        "an expired request does not correct the clock",
        "wire/transport.py",
        "            if code == codes.EXPIRED:\n                theirs.reset_to_latest()\n",
        "",
    ),
    Bug(
        "one call too many in a window",
        "wire/throttle.py",
        "        if len(finished) < places:\n            return 0.0\n",
        "        if len(finished) <= places:\n            return 0.0\n",
    ),
    Bug(
        "calls of other processes do not count",
        "wire/throttle.py",
        "sorted([*self._finished.get(name, ()), *by_others])",
        "sorted(self._finished.get(name, ()))",
    ),
    Bug(
        "a step back of the venue's clock goes unseen",
        "wire/venue_clock.py",
        "            if self._lowest is not None and highest < self._lowest - STEP_MS:\n",
        "            if self._lowest is not None and lowest > self._lowest + STEP_MS:\n",
    ),
    Bug(
        "a 403 holds cancels back",
        "wire/blocks.py",
        "        if endpoint.is_cancel:\n            return set()\n",
        "",
    ),
    Bug(
        "rows of spot have no side",
        "wire/protocol.py",
        '    flag = row.get("side", row.get("bid_flag"))\n',
        '    flag = row.get("side")\n',
    ),
    Bug(
        "an unknown status counts as the end of an order",
        "wire/protocol.py",
        '_STATES.get(text(row, "status"), OrderState.OPEN)',
        '_STATES.get(text(row, "status"), OrderState.DONE)',
    ),
    Bug(
        "the close flag is that of reduce only",
        "wire/protocol.py",
        '        params["close_flag"] = "1" if request.close else "0"\n',
        '        params["close_flag"] = "1" if request.reduce_only else "0"\n',
    ),
    Bug(
        "an undocumented code refuses a create",
        "wire/codes.py",
        "    is_undecided = isinstance(error, Temporary) or type(error) is RequestError\n",
        "    is_undecided = isinstance(error, Temporary)\n",
    ),
    Bug(
        "created already counts as refused",
        "wire/codes.py",
        "    if is_undecided or error.code == CREATED_ALREADY:\n",
        "    if is_undecided:\n",
    ),
    # --- gte ------------------------------------------------------------------------------------
    Bug(
        "the list of orders ends with its first full page",
        "gte.py",
        "            if count or len(rows) < page:\n",
        "            if count or len(rows) <= page:\n",
    ),
    Bug(
        "pages go on after the highest id as text",
        "gte.py",
        "            after = max((order.order_id for order in orders), key=int)\n",
        "            after = max(order.order_id for order in orders)\n",
    ),
    Bug(
        "creates go on leaving after an answer was lost",
        "gte.py",
        "            except OutcomeUnknown:\n                lost.set()\n                raise\n",
        "            except OutcomeUnknown:\n                raise\n",
    ),
    Bug(
        "without a free batch the first orders are not cancelled",
        "gte.py",
        "        for order in orders[len(batch) :]:\n",
        "        for order in orders[protocol.BATCH_IDS if can_batch else 0 :]:\n",
    ),
    Bug(
        "an answer to a create that cannot be read counts as refused",
        "gte.py",
        'raise OutcomeUnknown(f"{what}: the answer cannot be read: {error}")',
        'raise Temporary(f"{what}: the answer cannot be read: {error}")',
    ),
    Bug(
        "a create of unknown outcome is noted as refused",
        "gte.py",
        "            if not isinstance(found, OutcomeUnknown):\n"
        '                self.on_create(CreateEvent.REFUSED, request, "")\n',
        '            self.on_create(CreateEvent.REFUSED, request, "")\n',
    ),
    Bug(
        "a single order is asked for after its own id",
        "gte.py",
        "after=str(int(order_id) - 1), count=1",
        "after=order_id, count=1",
    ),
    Bug(
        "sell() buys",
        "gte.py",
        "        return self.place_order(-abs(Decimal(str(quantity))), price)\n",
        "        return self.place_order(abs(Decimal(str(quantity))), price)\n",
    ),
    # --- settings -------------------------------------------------------------------------------
    Bug(
        "a reload changes what needs a restart",
        "settings/store.py",
        '        problems += [f"{name} needs a restart by hand" '
        "for name in sorted(fixed & changed)]\n",
        "",
    ),
    Bug(
        "a reload turns a dry run into a live one",
        "settings/store.py",
        '        if self.DRY_RUN and not found.values["DRY_RUN"]:\n',
        '        if not self.DRY_RUN and found.values["DRY_RUN"]:\n',
    ),
    Bug(
        "ORDER_PAIRS counts one side only",
        "settings/checks.py",
        '    if are_right(*orders) and 2 * values["ORDER_PAIRS"] > values["MAX_OPEN_ORDERS"]:\n',
        '    if are_right(*orders) and values["ORDER_PAIRS"] > values["MAX_OPEN_ORDERS"]:\n',
    ),
    Bug(
        "a real key may go to this machine",
        "settings/checks.py",
        "    if key and not is_paper_key(key) and True in places:\n",
        "    if key and is_paper_key(key) and False in places:\n",
    ),
    Bug(
        "the highest value of a setting is refused",
        "settings/values.py",
        '    if about["high"] is not None and value > about["high"]:\n',
        '    if about["high"] is not None and value >= about["high"]:\n',
    ),
    Bug(
        "a file that is being written is read",
        "settings/reload.py",
        "            if now is not None and now != seen and now == self._last[path]:\n",
        "            if now is not None and now != seen:\n",
    ),
    Bug(
        "the command line loses against the file",
        "settings/sources.py",
        "    values |= {**assigned, **keys, **symbol, **sources.overrides}\n",
        "    values |= {**sources.overrides, **symbol, **assigned, **keys}\n",
    ),
    # --- guard ----------------------------------------------------------------------------------
    Bug(
        "the guard does not wait for late orders",
        "guard/watch.py",
        "        sweep = Sweep(self._gte, late_since=begun, is_alone=True)\n",
        "        sweep = Sweep(self._gte, is_alone=True)\n",
    ),
    Bug(
        "a goodbye in one breath with a heartbeat is not heard",
        "guard/watch.py",
        "            self._words.put(LEFT if GOODBYE in heard else BEATEN if heard else DIED)\n",
        "            self._words.put(LEFT if heard == GOODBYE else BEATEN if heard else DIED)\n",
    ),
    Bug(
        "the lock is released though orders may be left",
        "guard/session.py",
        "            self.files.write_orders_left(str(error), error.orders)\n            return\n",
        "            self.files.write_orders_left(str(error), error.orders)\n",
    ),
    Bug(
        "a halt after the last tick is not latched",
        "guard/session.py",
        "        if bot.control.is_halted and not self._is_latched:",
        "        if bot.control.is_halted and self._is_latched:",
    ),
    Bug(
        "a crash loop is one start shorter",
        "guard/runfiles.py",
        "        if len(starts) <= STARTS:\n",
        "        if len(starts) < STARTS:\n",
    ),
    Bug(
        "a record that cannot be read says that no order is late",
        "guard/runfiles.py",
        '        return None if found is None else found.get("sends") is not False\n',
        '        return None if found is None else found.get("sends") is True\n',
    ),
    Bug(
        "a guard that does not read counts as alive",
        "guard/guard.py",
        "        return now < self._reads_by\n",
        "        return True\n",
    ),
    Bug(
        "own requests count as those of others, too",
        "guard/shared.py",
        "        others = [time for time, owner, of in records "
        "if of == kind and owner != self._me]\n",
        "        others = [time for time, owner, of in records if of == kind]\n",
    ),
    Bug(
        "the first Ctrl-C hurries the shutdown already",
        "guard/signals.py",
        "        if self._interrupts > 1:\n",
        "        if self._interrupts >= 1:\n",
    ),
    Bug(
        "two bots share the lock",
        "guard/lock.py",
        "                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "                fcntl.flock(self.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)\n",
    ),
    # --- app ------------------------------------------------------------------------------------
    Bug(
        "the exit status hides that orders are left",
        "app/cli.py",
        "STATUS = {SettingsError: 2, OrdersLeft: 3, ",
        "STATUS = {SettingsError: 2, OrdersLeft: 1, ",
    ),
    Bug(
        "a cancel that finds no record does not wait for late orders",
        "app/cancel.py",
        "            may_be_late=files is None or files.may_be_late() is not False,\n",
        "            may_be_late=bool(files and files.may_be_late()),\n",
    ),
    Bug(
        "cancel --halt cancels before it tells the bot",
        "app/cancel.py",
        "    if and_halt and files:\n        _tell_the_bot(files)\n",
        "    if and_halt and files:\n        _cancel(client(account), files, clock)\n"
        "        _tell_the_bot(files)\n",
    ),
    Bug(
        "cancel forgets the notes of a bot that runs",
        "app/cancel.py",
        "    if files and holder is None:\n",
        "    if files:\n",
    ),
    Bug(
        "a restart overrides a stop",
        "app/run.py",
        "        if control.is_restarting and not control.stop_reason and not control.is_halted:\n",
        "        if control.is_restarting and not control.is_halted:\n",
    ),
    Bug(
        "a restart clears the halt again",
        "app/run.py",
        "            clear_halt=arguments.clear_halt and not is_restart,\n",
        "            clear_halt=arguments.clear_halt,\n",
    ),
    Bug(
        "check takes a clock that is behind for right",
        "app/check.py",
        "    if abs(offset) > OFF_MS:\n",
        "    if offset > OFF_MS:\n",
    ),
    # --- face -----------------------------------------------------------------------------------
    Bug(
        "a full long side stops the sells",
        "market_maker.py",
        "        buy_orders = [] if self.long_position_limit_exceeded() else possible\n"
        "        sell_orders = [] if self.short_position_limit_exceeded() else sell_orders\n",
        "        buy_orders = [] if self.short_position_limit_exceeded() else possible\n"
        "        sell_orders = [] if self.long_position_limit_exceeded() else sell_orders\n",
    ),
    Bug(
        "a dry run begins though its orders may be left",
        "market_maker.py",
        '                self.halt("DRY_RUN was set to True, but own orders may be left")\n',
        "",
    ),
    Bug(
        "orders on an old tick stay",
        "trading/loop.py",
        "            self.puller.check_grid(instrument.tick, instrument.lot)\n",
        "            pass\n",
    ),
)
