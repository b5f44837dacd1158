package main

import (
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"coppice/configs"
)

// logger is the daemon's own log on stderr, a line for each event with its
// fields: for an init system's journal.
func (a *app) logger() *zap.Logger {
	encoding := zapcore.EncoderConfig{
		TimeKey: "time", LevelKey: "level", MessageKey: "message",
		EncodeTime:       zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00"),
		EncodeLevel:      zapcore.LowercaseLevelEncoder,
		EncodeDuration:   zapcore.StringDurationEncoder,
		ConsoleSeparator: " ",
	}
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(encoding), a.logTo(), zapcore.InfoLevel))
}

// foregroundLogger is the daemon's own log among the output of its children: a
// sentence behind a name, in their column. The fields are in the event record.
func (a *app) foregroundLogger(c *configs.Config) *zap.Logger {
	name := "coppice" + strings.Repeat(" ", max(c.LongestName()-len("coppice"), 0))
	prefix := brush(a.colour()).paint(dim, name) + " | "
	lines := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "message"})
	return zap.New(fieldless{zapcore.NewCore(lines, a.logTo(), zapcore.InfoLevel), prefix})
}

func (a *app) logTo() zapcore.WriteSyncer { return zapcore.Lock(zapcore.AddSync(a.err)) }

// fieldless is a core that leaves the fields of its entries out, but for what
// went wrong.
type fieldless struct {
	zapcore.Core
	prefix string
}

// With implements zapcore.Core.
func (f fieldless) With([]zapcore.Field) zapcore.Core { return f }

// Check implements zapcore.Core.
func (f fieldless) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if f.Enabled(e.Level) {
		return c.AddCore(e, f)
	}
	return c
}

func (f fieldless) Write(e zapcore.Entry, fields []zapcore.Field) error {
	for _, field := range fields {
		if err, ok := field.Interface.(error); ok && field.Type == zapcore.ErrorType {
			e.Message += ": " + err.Error()
		} else if field.Key == "faults" {
			e.Message += ":\n" + field.String
		}
	}
	e.Message = f.prefix + e.Message
	return f.Core.Write(e, nil)
}
