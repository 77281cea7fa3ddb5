/// How a model is sampled, as an adapter says it: data for `Schedule` and `Sampler`.
public enum SamplerSettings: Equatable, Sendable {
  /// A rectified flow: x_σ = (1 − σ)·x0 + σ·noise, and the model gives the velocity noise − x0.
  case flow(FlowSettings)
  /// A variance-preserving diffusion: x_t = √ᾱ_t·x0 + √(1 − ᾱ_t)·noise, sampled by DDIM without added noise.
  case ddim(DDIMSettings)

  /// 1 − k/steps is what the model is given; Euler's method.
  public static let flowEuler = SamplerSettings.flow(FlowSettings())
}

/// Names of the samplers in adapters.
public enum SamplerKind: String, Sendable, CaseIterable {
  case flowEuler = "flow-euler"
  case flowUniPC = "flow-unipc"
  case ddim
}

public struct FlowSettings: Equatable, Sendable {
  public enum Solver: Equatable, Sendable {
    case euler
    /// UniPC of order 2 with B(h) = e^h − 1, predicting x0; timesteps are whole numbers, rounded down.
    case uniPC
  }

  public enum Spacing: String, Equatable, Sendable, CaseIterable {
    /// 1 − k/steps.
    case uniform
    /// From 1 evenly down to one training step, which is not reached: 1 − k·(1 − 1/1000)/steps.
    case training
    /// From 1 in small even steps, then in growing ones: Mochi's.
    case linearQuadratic = "linear-quadratic"
  }

  /// What pushes the schedule towards the noise: σ ← s·σ / (1 + (s − 1)·σ).
  public enum Shift: Equatable, Sendable {
    case constant(Double)
    /// s = e^μ, with μ on the line through (`baseTokens`, `base`) and (`largestTokens`, `largest`) at the target's tokens.
    case tokens(base: Double, largest: Double, baseTokens: Int, largestTokens: Int)

    func value(tokens: Int) -> Double {
      switch self {
      case .constant(let value): value
      case .tokens(let base, let largest, let from, let to):
        exponential(base + (largest - base) * Double(tokens - from) / Double(to - from))
      }
    }
  }

  public var solver = Solver.euler
  public var spacing = Spacing.uniform
  public var shift = Shift.constant(1)
  /// The last σ before zero, to which the schedule is stretched.
  public var terminal: Double?
  /// What the model is given at σ = 1; its timestep is σ times this.
  public var timestepScale = 1.0
  /// The model is given 1 − σ for σ, and its velocity is x0 − noise.
  public var isInverted = false

  public init() {}
}

public struct DDIMSettings: Equatable, Sendable {
  public enum Betas: String, Equatable, Sendable, CaseIterable {
    case linear
    /// The square roots are evenly spaced.
    case scaledLinear = "scaled-linear"
  }

  public enum Spacing: String, Equatable, Sendable, CaseIterable {
    /// 0, r, 2r, …, from the end, with r = ⌊training steps / steps⌋.
    case leading
    /// Down from the last training step, r apart, with r = training steps / steps.
    case trailing
    /// Evenly from the last training step to the first.
    case linspace
  }

  public enum Prediction: String, Equatable, Sendable, CaseIterable {
    /// The noise.
    case epsilon
    /// v = √ᾱ·noise − √(1 − ᾱ)·x0.
    case v
  }

  public var trainingSteps = 1000
  public var betas = Betas.scaledLinear
  public var betaStart = 0.00085
  public var betaEnd = 0.012
  /// ᾱ ← ᾱ / (s + (1 − s)·ᾱ).
  public var snrShift = 1.0
  /// √ᾱ moved and scaled so that the last is zero (Lin et al. 2023).
  public var hasZeroTerminalSNR = false
  public var spacing = Spacing.leading
  /// Added to every timestep of `leading`.
  public var offset = 0
  public var prediction = Prediction.epsilon
  /// ᾱ after the last step: 1, else ᾱ of the first training step.
  public var endsClean = true

  public init() {}
}
