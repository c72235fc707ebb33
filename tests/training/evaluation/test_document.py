from training.evaluation.document import Code, Figure, Points, Section, Table, Text, html, markdown

SECTIONS = [
    Section("One", [Text("a < b"), Table(["x", "y"], [["1|2", "<script>"]]), Points(["p"]), Code("make")]),
    Section("Only seen", [Figure(b"pixels", "png", 'a "plot"')], 3),
]


def test_markdown_has_everything_but_figures() -> None:
    text = markdown("Title", SECTIONS)
    assert text.startswith("# Title\n\n## One\n\na < b\n\n| x | y |\n| --- | --- |\n| 1\\|2 | <script> |\n\n- p\n")
    assert text.endswith("```sh\nmake\n```\n")
    assert "Only seen" not in text


def test_html_is_one_escaped_file() -> None:
    page = html("Title", SECTIONS)
    assert "<h3>Only seen</h3>" in page
    assert "data:image/png;base64,cGl4ZWxz" in page
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert "http" not in page
