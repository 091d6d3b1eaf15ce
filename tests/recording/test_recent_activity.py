"""What the landing page remembers."""

from exporter.recording.recent_activity import RecentActivity, Rejection

HANG = ("interactly", "hang", "counted")


def test_counts_reach_back_so_many_minutes() -> None:
    """A count is in the spans that reach back to its minute, and in no other."""
    activity = RecentActivity()
    activity.count(HANG, 60.0)
    activity.count(HANG, 119.0)
    activity.count(HANG, 300.0)

    assert activity.totals(300.0, 1)[HANG] == 1
    assert activity.totals(300.0, 4)[HANG] == 1
    assert activity.totals(300.0, 5)[HANG] == 3
    assert activity.totals(1200.0, 15)[HANG] == 0


def test_a_clock_set_back_starts_no_minute() -> None:
    """Minutes stay in order, so that a clock that is set back loses no count."""
    activity = RecentActivity()
    activity.count(HANG, 120.0)
    activity.count(HANG, 60.0)

    assert activity.totals(120.0, 1)[HANG] == 2


def test_only_the_last_minutes_and_rejections_are_kept() -> None:
    """Days of traffic take no more memory than minutes."""
    activity = RecentActivity()
    for second in range(0, 86_400, 60):
        activity.count(HANG, float(second))
        activity.rejections.append(Rejection(float(second), "vapi", 401, "unauthorized"))

    assert activity.totals(86_399.0, 100_000)[HANG] == 15
    assert [rejection.time for rejection in activity.rejections][-1] == 86_340.0
    assert len(activity.rejections) == 20
