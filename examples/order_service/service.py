"""A small order service: `GET /orders?id=ord_17` answers what a file of orders says, 404 if it says nothing.

python -m examples.order_service.service PORT FILE
"""

import json
import sys
from pathlib import Path
from wsgiref.simple_server import make_server

import falcon


class Orders:
    """The orders of a file, which may change at any time."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Answer what the order is for and what it costs."""
        order = json.loads(self._file.read_text()).get(request.get_param("id", required=True))
        if order is None:
            raise falcon.HTTPNotFound
        response.media = order


if __name__ == "__main__":
    port, orders_file = sys.argv[1:]
    app = falcon.App()
    app.add_route("/orders", Orders(Path(orders_file)))
    with make_server("127.0.0.1", int(port), app) as server:
        server.serve_forever()
