package target

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// metadataURL is where clouds hand out credentials to whoever asks from within: what a redirect must not lead a worker to.
const metadataURL = "http://169.254.169.254/latest/meta-data/"

func performCountdown(x *exchange) ending {
	n, err := strconv.Atoi(x.arg)
	if err != nil || n < 0 {
		return x.misused("a number of hops")
	}
	if n == 0 {
		return x.reply(okay)
	}
	return x.redirect(http.StatusFound, fmt.Sprintf("/redirect/%d", n-1))
}

func performLoop(x *exchange) ending {
	return x.redirect(http.StatusFound, x.path)
}

func performPair(x *exchange) ending {
	switch x.arg {
	case "a":
		return x.redirect(http.StatusFound, "/redirect-pair/b")
	case "b":
		return x.redirect(http.StatusFound, "/redirect-pair/a")
	default:
		return x.misused("a or b")
	}
}

func performRedirectTo(x *exchange) ending {
	status, ok := x.number("status", http.StatusFound)
	to := x.args.Get("url")
	if !ok || status < 300 || status > 399 || to == "" || strings.ContainsAny(to, "\r\n") {
		return x.misused("url=URL and a status from 300 to 399")
	}
	return x.redirect(status, to)
}

func performMetadata(x *exchange) ending {
	return x.redirect(http.StatusFound, metadataURL)
}

func performNoLocation(x *exchange) ending {
	return x.reply(response{status: http.StatusFound, body: "moved, but not telling where\n"})
}

func (x *exchange) redirect(status int, to string) ending {
	return x.reply(response{status: status, header: "Location: " + to + "\r\n", body: "moved\n"})
}
