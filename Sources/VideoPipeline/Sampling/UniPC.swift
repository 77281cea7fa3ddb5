import Glibc

/// UniPC (Zhao et al. 2023, algorithms 5 to 8) of order 2 for rectified flows, predicting x0, with B(h) = e^h − 1.
///
/// With λ = ln((1 − σ)/σ), h = λ_t − λ_s and m the predicted x0, a step from s to t is
/// x_t = σ_t/σ_s·x_s + α_t·(1 − e^−h)·(m_s + Σ ρ_k·D_k), with D_k = (m_k − m_s)/r_k over earlier predictions (the
/// predictor) and the one at t itself (the corrector, r = 1).
struct UniPC: Sendable {
  private struct Prediction: Sendable {
    var values: [Float]
    var level: Double
  }

  /// The last two predictions of x0, the newest last.
  private var predictions: [Prediction] = []
  /// Where the last predictor started, and its order.
  private var start: (x: [Float], order: Int)?

  /// - Parameter sign: −1 where the velocity is x0 − noise.
  mutating func advance(_ x: inout [Float], velocity: [Float], sign: Double, at step: SamplerStep) {
    var clean = x
    clean.add(velocity, times: -sign * step.level)
    if let start {
      x = corrected(start.x, order: start.order, with: Prediction(values: clean, level: step.level))
    }
    predictions = predictions.suffix(1) + [Prediction(values: clean, level: step.level)]
    // The last step is of order 1, since λ is infinite at its end; so is the first, for want of a history.
    let order = min(predictions.count, step.steps - step.index)
    start = (x, order)
    x = predicted(x, order: order, at: step.next)
  }

  private func predicted(_ x: [Float], order: Int, at next: Double) -> [Float] {
    let latest = predictions[predictions.count - 1]
    let h = lambda(next) - lambda(latest.level)
    var terms: [(weight: Double, values: [Float])] = []
    if order == 2 {
      let earlier = predictions[0]
      let r = (lambda(earlier.level) - lambda(latest.level)) / h
      terms = [(0.5 / r, earlier.values)]
    }
    return combined(x, from: latest, to: next, terms)
  }

  private func corrected(_ x: [Float], order: Int, with newest: Prediction) -> [Float] {
    let latest = predictions[predictions.count - 1]
    guard order == 2 else { return combined(x, from: latest, to: newest.level, [(0.5, newest.values)]) }
    let h = lambda(newest.level) - lambda(latest.level)
    let r = (lambda(predictions[0].level) - lambda(latest.level)) / h
    // ρ solves [[1, 1], [r, 1]]·ρ = (φ1, φ2)/B(h), with φ1 and φ2 at −h.
    let b = expm1(-h)
    let phi1 = b / -h - 1
    let phi2 = phi1 / -h - 0.5
    let (sum, weighted) = (phi1 / b, 2 * phi2 / b)
    let rho1 = (weighted - sum) / (r - 1)
    return combined(
      x, from: latest, to: newest.level, [(rho1 / r, predictions[0].values), (sum - rho1, newest.values)])
  }

  /// σ_t/σ_s·x + α_t·(1 − e^−h)·(m + Σ weight·(values − m)).
  private func combined(
    _ x: [Float], from latest: Prediction, to next: Double, _ terms: [(weight: Double, values: [Float])]
  ) -> [Float] {
    let h = lambda(next) - lambda(latest.level)
    let ofX = next / latest.level
    let ofClean = -(1 - next) * expm1(-h)
    let own = 1 - terms.reduce(0) { $0 + $1.weight }
    return x.indices.map { i in
      var clean = own * Double(latest.values[i])
      for term in terms { clean += term.weight * Double(term.values[i]) }
      return Float(ofX * Double(x[i]) + ofClean * clean)
    }
  }

  private func lambda(_ level: Double) -> Double { log((1 - level) / level) }
}
