@echo off
rem The command signet from the sources of this repository, by the Node that npm ci brought along, else by the machine's.
setlocal
set "root=%~dp0..\.."
set "PATH=%root%\node_modules\.bin;%PATH%"
node "%root%\scripts\require-node.mjs" || exit /b 1
if not exist "%root%\node_modules\@signet" (
  echo signet: the dependencies of %root% are not installed; run npm ci there>&2
  exit /b 1
)
node --conditions=@signet/source "%root%\cli\src\main.ts" %*
