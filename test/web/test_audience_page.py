"""The audience on page, API and as a table."""

from __future__ import annotations

from pathlib import Path

from asrun.test_audience import HOUR, NOON, sample
from stands.page import TOKENS, served
from stands.page_visitor import PageVisitor
from stands.program import Program
from tg_video_streamer.asrun.audience import AudienceRow, AudienceSample
from tg_video_streamer.asrun.entry import iso


def test_page_api_and_table_show_the_same(program: Program, tmp_path: Path) -> None:
    """The page has chart and table, the API the rows, and no cell of the CSV begins with a formula."""
    bad = AudienceSample(at=iso(NOON + 3650), viewers=21, level="item", key="d", title="=1+1")
    more = [bad, sample(3660, 21, "e")]
    (tmp_path / "audience.jsonl").write_text("".join(one.line() for one in (*HOUR, *more)))
    with served(program, as_run=tmp_path / "as-run.jsonl") as site:
        visitor = PageVisitor(port=site.listener.port, token=TOKENS.viewer)
        page = visitor.ask("/audience?from=2026-04-30&to=2026-05-01&by=change").text
        assert page.count("<tr>") == 4
        assert "<polyline" in page
        rows = visitor.ask("/api/audience?by=item&until=2026-05-01T12:30:00Z").json()["result"]
        assert [AudienceRow(**row).title for row in rows] == ["A", "B"]
        text = visitor.ask("/audience.csv?by=item").text
        assert "'=1+1" in text
        assert visitor.ask("/api/audience?by=week").status == 422
        assert "No number of viewers" in visitor.ask("/audience?from=9999-01-01&to=x&by=nothing").text
