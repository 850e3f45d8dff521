@echo off
rem The command signet from the sources of this repository, by the Node that npm ci brought along.
setlocal
set "PATH=%~dp0..\..\node_modules\.bin;%PATH%"
node --conditions=@signet/source "%~dp0..\..\cli\src\main.ts" %*
