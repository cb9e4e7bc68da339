@echo off
rem Called by the Task Scheduler (stockcust-report.xml). Its exit code becomes the task's result.
cd /d C:\stockcust
.venv\Scripts\stockcust.exe report D:\extracts --quarter latest --out D:\reports >> D:\reports\stockcust.log 2>&1
exit /b %ERRORLEVEL%
