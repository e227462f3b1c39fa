"""An MCP client: `mcp_client.py SERVER TOOL` calls a tool until it has its answer, and prints each outcome as JSON.

After an answer that asks for a person, it waits for a line on stdin. It runs in the environment of the integrations.
"""

import asyncio
import json
import os
import sys
from typing import Any

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError


async def main(server: str, tool: str) -> None:
    """server: a Python file that is an MCP server over stdio."""
    parameters = StdioServerParameters(command=sys.executable, args=[server], env=dict(os.environ))
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        while True:
            try:
                result: Any = await session.call_tool(tool, {})
            except MCPError as error:
                data: Any = error.error.data
                tell({"code": error.error.code, "elicitations": data["elicitations"]})
                await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            else:
                tell({"text": result.content[0].text})
                return


def tell(outcome: dict[str, Any]) -> None:
    """Print one outcome."""
    sys.stdout.write(json.dumps(outcome) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
