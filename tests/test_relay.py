"""Several compiled functions in turn, round after round: what calls one by one do, bit for bit."""

from contextlib import contextmanager

import numpy as np
import pytest
from test_gate import needs_words
from twins import same

import autograd_core as ag
import nn
import optim
from autograd_core.compiler import relay

pytestmark = needs_words

RNG = np.random.default_rng(11)
X, Y = RNG.normal(size=(60, 5)), RNG.normal(size=(60, 3))
ROUNDS, CALLS, SIZE = 6, 4, 8


class Pair:
    """A function that learns, one that judges, and the calls that make a round of both."""

    def __init__(self, layer=None):
        rng = np.random.default_rng(2)
        first = nn.Linear(5, 6, rng=rng, dtype=np.float64)
        last = nn.Linear(6, 3, rng=rng, dtype=np.float64)
        self.model = nn.Sequential(first, layer or nn.Tanh(), last)
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.01)
        self.loss = nn.MSELoss()
        model, optimizer, loss = self.model, self.optimizer, self.loss

        @ag.compile
        def learn(x, y):
            optimizer.zero_grad()
            value = loss(model(x), y)
            value.backward()
            optimizer.step()
            return value

        @ag.compile
        def judge(x, y):
            return loss(model(x), y)

        self.learn, self.judge = learn, judge
        self.given = X.copy(), Y.copy()

    @contextmanager
    def within(self, mode):
        getattr(self.model, mode)()
        if mode == "train":
            yield
        else:
            with ag.no_grad():
                yield

    def call(self, function, mode, order):
        """Do one call after the other, natively if that is possible; return the losses."""
        found, at = [], 0
        with self.within(mode):
            while at < len(order):
                done, figures = function.over(self.given, order[at:])
                if not done:
                    batch = (array[order[at]] for array in self.given)
                    done, figures = 1, np.array([[float(function(*batch))]])
                found += figures[:, 0].tolist()
                at += done
        return found

    def one_by_one(self, orders):
        """Do rounds; return the losses of each."""
        return [
            (self.call(self.learn, "train", order), self.call(self.judge, "eval", FIXED[0]))
            for order in orders
        ]

    def legs(self):
        return [
            self.learn.leg(self.given, CALLS, SIZE, lambda: self.within("train")),
            self.judge.leg(self.given, *FIXED.shape[1:], lambda: self.within("eval")),
        ]

    def together(self, orders, rounds=None):
        """Do rounds at once."""
        rounds = len(orders) if rounds is None else rounds
        return self.learn.relay(self.legs(), rounds, lambda n: [orders[:n].copy(), FIXED])

    def state(self):
        """Return all that learning changes."""
        self.model.train()
        grads = [p.grad for p in self.model.parameters()]
        slots = self.optimizer.state_dict()["state"]
        return [p.numpy().copy() for p in self.model.parameters()], grads, slots


FIXED = RNG.integers(0, 60, (1, 2, 20))
ORDERS = RNG.integers(0, 60, (40, CALLS, SIZE))
WARM, HERE = ORDERS[:8], ORDERS[8:]


def pair(**options):
    """Return a pair that has seen some rounds, so that nothing has to be asked."""
    found = Pair(**options)
    found.one_by_one(WARM)
    return found


def losses(rounds):
    learned, judged = (figures[:, :, 0].tolist() for figures in rounds.figures)
    return list(zip(learned, judged, strict=True))


def test_rounds_at_once_are_the_rounds_one_by_one():
    one, other = pair(), pair()
    for begin in (0, ROUNDS):
        orders = HERE[begin : begin + ROUNDS]
        found = one.together(orders)
        assert found.count == ROUNDS
        assert losses(found) == other.one_by_one(orders)
        assert same(one.state(), other.state())
    assert one.learn.kinds.keys() and not one.learn.strangers


def falling(known):
    """Settings at each call of some rounds: a rate that falls."""

    def settings(now, rounds):
        rows = np.tile(np.concatenate(now), (min(rounds, known), CALLS, 1))
        rows[..., 0] *= 0.97 ** np.arange(rows[..., 0].size).reshape(rows.shape[:2])
        return rows

    return settings


def with_settings(one, known, rounds=ROUNDS):
    return one.learn.relay(one.legs(), rounds, lambda n: [HERE[:n].copy(), FIXED], falling(known))


@pytest.mark.parametrize("known", [ROUNDS, 4])
def test_settings_at_each_call_and_afterwards_what_they_were(known):
    one, other = pair(), pair()
    found = with_settings(one, known)
    assert found.count == known
    expected, rate = [], 0.01
    for order in HERE[:known]:
        learned = []
        for rows in order:
            other.optimizer.lr = rate
            learned += other.call(other.learn, "train", rows[None])
            rate *= 0.97
        expected.append((learned, other.call(other.judge, "eval", FIXED[0])))
    other.optimizer.lr = 0.01
    for one_round, wanted in zip(losses(found), expected, strict=True):
        np.testing.assert_allclose(one_round[0], wanted[0], rtol=1e-14)
        np.testing.assert_allclose(one_round[1], wanted[1], rtol=1e-14)
    assert one.optimizer.lr == 0.01
    more = one.one_by_one(HERE[-2:]), other.one_by_one(HERE[-2:])
    np.testing.assert_allclose(*([x for pair in each for y in pair for x in y] for each in more))


def test_no_settings_and_nothing_happens():
    one, other = pair(), pair()
    assert with_settings(one, 0) is None
    assert one.one_by_one(HERE[:2]) == other.one_by_one(HERE[:2])


def test_settings_of_programs_that_do_not_hold_any_more():
    one = pair()
    before = one.state()
    next(iter(one.model.parameters())).requires_grad_(False)
    assert with_settings(one, ROUNDS) is None
    assert same(one.state()[0], before[0])


def test_what_a_call_was_given_is_not_written_to():
    one, other = pair(), pair()
    batch = [array[HERE[0, 0]] for array in one.given]
    before = [array.copy() for array in batch]
    with one.within("train"):
        mine = [float(one.learn(*batch)) for _ in range(3)]
    with other.within("train"):
        assert mine == [float(other.learn(*map(np.copy, before))) for _ in range(3)]
    found = one.together(HERE[:ROUNDS])
    assert found is not None and losses(found) == other.one_by_one(HERE[:ROUNDS])
    assert same(batch, before)


@pytest.mark.parametrize("count", [0, 1, 4, ROUNDS])
def test_any_round_can_become_the_last_one(count):
    one, other = pair(), pair()
    found = one.together(HERE[:ROUNDS])
    other.one_by_one(HERE[:count])
    found.back(count)
    assert same(one.state()[0::2], other.state()[0::2])
    found.back(count, again=True)
    assert found.count == count
    again = one.together(HERE[count : count + 3])
    assert losses(again) == other.one_by_one(HERE[count : count + 3])
    assert same(one.state(), other.state())


def test_what_was_taken_back_does_not_count():
    one = pair()
    kinds = [*one.learn.kinds.values(), *one.judge.kinds.values()]
    before = [kind.runs for kind in kinds]
    one.together(HERE[:ROUNDS]).back(2, again=True)
    added = [kind.runs - runs for kind, runs in zip(kinds, before, strict=True)]
    assert sorted(filter(None, added)) == [2 * FIXED.shape[1], 2 * CALLS]


def test_a_call_that_is_due_to_be_recorded_ends_the_rounds():
    one, other = pair(), pair()
    found = one.together(HERE)  # 100 calls of the function that learns are among them
    (kind,) = (k for k in one.learn.kinds.values() if k.runs)
    assert 0 < found.count < len(HERE)
    assert kind.calls < 99 <= kind.calls + CALLS
    assert one.together(HERE[found.count :]) is None
    left = HERE[found.count :]
    assert [*losses(found), *one.one_by_one(left)] == other.one_by_one(HERE)
    assert same(one.state(), other.state())


CHANGES = {
    "another array": lambda p: p.model[0].bias.data.__setitem__(0, 0.5),
    "another loss": lambda p: setattr(p.loss, "reduction", "sum"),
    "other examples": lambda p: setattr(p, "given", (X.copy(), Y.copy())),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_asked_about_first(change):
    one, other = pair(), pair()
    for p in (one, other):
        CHANGES[change](p)
    before = one.state()
    assert one.together(HERE[:ROUNDS]) is None
    assert same(one.state(), before)
    assert one.one_by_one(HERE[:ROUNDS]) == other.one_by_one(HERE[:ROUNDS])
    for p in (one, other):
        p.one_by_one(WARM)  # what is new is recorded
    orders = HERE[ROUNDS : ROUNDS + 2]
    assert losses(one.together(orders)) == other.one_by_one(orders)


def test_a_rate_is_read_at_each_call():
    one, other = pair(), pair()
    for p in (one, other):
        p.optimizer.param_groups[0]["lr"] = 0.1
        p.one_by_one(HERE[:2])  # that it is another one is asked about
    assert losses(one.together(HERE[2:4])) == other.one_by_one(HERE[2:4])
    assert same(one.state(), other.state())


def test_a_round_that_is_given_up_has_not_happened():
    one, other = pair(), pair()
    for p in (one, other):
        p.given[1][7] = np.inf
    orders = HERE[:ROUNDS].copy()
    orders[orders == 7] = 8
    orders[3, 2, 5] = 7
    found = one.together(orders)
    assert found.count == 3
    assert losses(found) == other.one_by_one(orders[:3])
    assert same(one.state()[0::2], other.state()[0::2])
    assert one.together(orders[3:]).count == 0
    one.one_by_one(orders[3:])
    other.one_by_one(orders[3:])
    assert same(one.state(), other.state())


def test_rows_that_arrays_do_not_have_change_nothing():
    one, other = pair(), pair()
    wrong = HERE[:2].copy()
    for row in (60, -1):
        wrong[1, 3, 2] = row
        with pytest.raises(IndexError, match="rows"):
            one.together(wrong)
    assert losses(one.together(HERE[:2])) == other.one_by_one(HERE[:2])


@pytest.mark.parametrize("layer", ["dropout", "norm"])
def test_what_cannot_be_taken_back_is_left_to_single_rounds(layer):
    made = {
        "dropout": lambda: nn.Dropout(0.5, rng=np.random.default_rng(3)),
        "norm": lambda: nn.BatchNorm1d(6, dtype=np.float64),
    }[layer]
    one, other = Pair(layer=made()), Pair(layer=made())
    for p in (one, other):
        for order in WARM:
            p.call(p.learn, "train", order)
    assert one.learn.relay(one.legs()[:1], 2, lambda n: [HERE[:n]]) is None
    found = [p.one_by_one(HERE[:2]) for p in (one, other)]
    assert found[0] == found[1] and same(one.state(), other.state())


def test_copies_have_a_limit(monkeypatch):
    one = pair()
    state = sum(a.nbytes for k in one.learn.programs for s in k.segments for a in s.overwritten())
    monkeypatch.setattr(relay, "MOST", 3 * state)
    assert one.together(HERE[:ROUNDS]).count == 3
    monkeypatch.setattr(relay, "MOST", state - 1)
    assert one.together(HERE[:ROUNDS]) is None


def test_what_a_tape_remembers_is_refused_after_going_back():
    one = pair()
    found = one.together(HERE[:2])
    weight = one.model[0].weight
    total = ag.sum(weight * weight)
    found.back(1)
    with pytest.raises(ag.MutationError):
        total.backward()
