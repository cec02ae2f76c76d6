"""Executed notebooks as Markdown pages, their pictures and sounds within."""

import json


def markdown(text):
    """Returns the Markdown of a notebook, given as the text of its file."""
    return "\n\n".join(filter(None, map(_cell, json.loads(text)["cells"]))) + "\n"


def _cell(cell):
    source = "".join(cell["source"]).strip()
    if cell["cell_type"] != "code":
        return source
    outputs = [_output(output) for output in cell["outputs"]]
    return "\n\n".join(filter(None, [f"```python\n{source}\n```" if source else "", *outputs]))


def _output(output):
    """Returns an output in its richest form. Frames of HTML scroll by themselves."""
    if output["output_type"] == "stream":
        return _text("".join(output["text"]))
    if output["output_type"] == "error":
        raise ValueError(f"A cell ended with {output['ename']}: {output['evalue']}")
    data = {kind: "".join(value) for kind, value in output.get("data", {}).items()}
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            picture = data[kind].replace("\n", "")
            return f'<img src="data:{kind};base64,{picture}" alt="Output of the cell above">'
    if "text/html" in data:
        html = "\n".join(line for line in data["text/html"].splitlines() if line.strip())
        return f'<div class="output">\n{html}\n</div>'
    return _text(data.get("text/plain", ""))


def _text(text):
    return f"```text\n{text.rstrip()}\n```" if text.strip() else ""
