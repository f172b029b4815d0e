# Figures of pROC and rms on the cases of benchmarks/agreement.py: case, score, other, true in; a line a case out.
suppressMessages({library(pROC); library(rms)})
arguments <- commandArgs(trailingOnly = TRUE)
rows <- read.csv(arguments[1])
knots <- read.csv(arguments[2])
results <- lapply(split(rows, rows$case), function(each) {
  one <- roc(each$true, each$score, quiet = TRUE, direction = "<")
  two <- roc(each$true, each$other, quiet = TRUE, direction = "<")
  test <- roc.test(one, two, method = "delong", paired = TRUE)
  fitted <- val.prob(each$score, each$true, pl = FALSE)
  logit <- qlogis(each$score)
  level <- lrm.fit(y = each$true, offset = logit)
  at <- unlist(knots[knots$case == each$case[1], -1])
  at <- at[!is.na(at)]
  gaps <- c(NA, NA, NA)
  if (length(at) >= 3) {
    smooth <- lrm(each$true ~ rcs(logit, at), tol = 1e-14, eps = 1e-12, maxit = 100)
    off <- abs(plogis(smooth$linear.predictors) - each$score)
    gaps <- c(mean(off), quantile(off, 0.9), max(off))
  }
  data.frame(case = each$case[1], auc = as.numeric(auc(one)), error = sqrt(var(one, method = "delong")),
             difference = as.numeric(auc(two)) - as.numeric(auc(one)),
             half = (test$conf.int[2] - test$conf.int[1]) / 2, slope = fitted[["Slope"]],
             large = level$coefficients[[1]], brier = fitted[["Brier"]],
             loess_mean = fitted[["Eavg"]], loess_90 = fitted[["E90"]],
             spline_mean = gaps[1], spline_90 = gaps[2], spline_max = gaps[3])
})
write.csv(do.call(rbind, results), arguments[3], row.names = FALSE)
