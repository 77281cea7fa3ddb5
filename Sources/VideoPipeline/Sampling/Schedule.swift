import Glibc

/// The steps of a run, from noise to sample: what the model is told at each, and the noise levels between which it leads.
public struct Schedule: Equatable, Sendable {
  public let steps: [SamplerStep]

  /// Most steps of a run.
  public static let maximumSteps = 10_000

  /// - Parameter tokens: of the target's sequence, where the settings depend on it.
  /// - Throws: `SamplerError.steps`.
  public init(_ settings: SamplerSettings, steps count: Int, tokens: Int = 0) throws(SamplerError) {
    guard (1...Self.maximumSteps).contains(count) else { throw .steps(count) }
    switch settings {
    case .flow(let flow): steps = Self.flow(flow, count, tokens)
    case .ddim(let ddim):
      guard count <= ddim.trainingSteps else { throw .tooManySteps(count, limit: ddim.trainingSteps) }
      steps = Self.ddim(ddim, count)
    }
  }

  private static func flow(_ settings: FlowSettings, _ count: Int, _ tokens: Int) -> [SamplerStep] {
    let shift = settings.shift.value(tokens: tokens)
    var levels = spaced(settings.spacing, count).map { shift * $0 / (1 + (shift - 1) * $0) }
    if let terminal = settings.terminal, let last = levels.last, last < 1 {
      levels = levels.map { 1 - (1 - $0) * (1 - terminal) / (1 - last) }
    }
    // UniPC works with log((1 − σ)/σ), which pure noise does not have.
    if settings.solver == .uniPC, levels[0] > 1 - 1e-6 { levels[0] = 1 - 1e-6 }
    return levels.indices.map { index in
      let level = levels[index]
      let time = (settings.isInverted ? 1 - level : level) * settings.timestepScale
      return SamplerStep(
        index: index, of: count, t: Float(settings.solver == .uniPC ? time.rounded(.down) : time),
        level: Double(Float(level)), next: index + 1 < count ? Double(Float(levels[index + 1])) : 0)
    }
  }

  private static func spaced(_ spacing: FlowSettings.Spacing, _ count: Int) -> [Double] {
    let n = Double(count)
    switch spacing {
    case .uniform: return (0..<count).map { 1 - Double($0) / n }
    case .training: return (0..<count).map { 1 - Double($0) * (1 - 0.001) / n }
    case .linearQuadratic:
      // Half the steps reach a distance of 0.025, evenly; the rest lie on the parabola that goes on smoothly to 1.
      let distance = 0.025
      let half = Double(count / 2)
      let rest = n - half
      let slope = half > 0 ? distance / half : 0
      let curve = (1 - (half > 0 ? distance : 0) - slope * rest) / (rest * rest)
      return (0..<count).map { index in
        let (k, beyond) = (Double(index), Double(index) - half)
        let even = slope * min(k, half)
        return 1 - (beyond <= 0 ? even : even + slope * beyond + curve * beyond * beyond)
      }
    }
  }

  private static func ddim(_ settings: DDIMSettings, _ count: Int) -> [SamplerStep] {
    let alphas = settings.alphas
    let last = settings.endsClean ? 1 : alphas[0]
    return timesteps(settings, count).enumerated().map { index, timestep in
      let previous = timestep - settings.trainingSteps / count
      return SamplerStep(
        index: index, of: count, t: Float(timestep), level: alphas[min(timestep, alphas.count - 1)],
        next: previous >= 0 ? alphas[previous] : last)
    }
  }

  private static func timesteps(_ settings: DDIMSettings, _ count: Int) -> [Int] {
    let total = settings.trainingSteps
    func rounded(_ value: Double) -> Int { Int(value.rounded(.toNearestOrEven)) }
    return (0..<count).map { k in
      switch settings.spacing {
      case .leading: (count - 1 - k) * (total / count) + settings.offset
      case .trailing: rounded(Double(total) - Double(k) * Double(total) / Double(count)) - 1
      case .linspace: count == 1 ? 0 : rounded(Double(total - 1) * Double(count - 1 - k) / Double(count - 1))
      }
    }
  }
}

extension DDIMSettings {
  /// ᾱ of every training step.
  var alphas: [Double] {
    var product = 1.0
    var alphas = (0..<trainingSteps).map { index in
      let share = trainingSteps > 1 ? Double(index) / Double(trainingSteps - 1) : 0
      let beta =
        switch betas {
        case .linear: betaStart + (betaEnd - betaStart) * share
        case .scaledLinear: square(betaStart.squareRoot() + (betaEnd.squareRoot() - betaStart.squareRoot()) * share)
        }
      product *= 1 - beta
      return product / (snrShift + (1 - snrShift) * product)
    }
    if hasZeroTerminalSNR, let first = alphas.first?.squareRoot(), let last = alphas.last?.squareRoot(), first > last {
      alphas = alphas.map { square(($0.squareRoot() - last) * first / (first - last)) }
    }
    return alphas
  }
}

private func square(_ x: Double) -> Double { x * x }

func exponential(_ x: Double) -> Double { exp(x) }
