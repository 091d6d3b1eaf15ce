from exporter.simulate.tally import Tally


def test_one_is_not_many() -> None:
    """The counts read as a person would say them."""
    tally = Tally()
    assert tally.line() == "0 events sent, 0 calls ended"
    tally.sent["vapi", "end-of-call-report"] = 1
    assert tally.line() == "1 event sent, 1 call ended"
    tally.sent["vapi", "hang"] = 1
    assert tally.line() == "2 events sent, 1 call ended"
