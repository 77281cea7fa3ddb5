/// What a clip's file says of itself.
public struct ClipInformation: Equatable, Sendable {
  public var width: Int
  public var height: Int
  public var rate: FrameRate
  /// nil where the file does not say.
  public var frames: Int?
  /// Of the pictures as they are shown: a turned clip's is turned.
  public var pixelAspect: PixelAspect
  /// One picture, and no clip.
  public var isPicture: Bool
  /// Where the file gives another rate besides: its frames may lie unevenly.
  var otherRate: FrameRate?

  public init(
    width: Int, height: Int, rate: FrameRate, frames: Int?, pixelAspect: PixelAspect = .square, isPicture: Bool = false
  ) {
    self.width = width
    self.height = height
    self.rate = rate
    self.frames = frames
    self.pixelAspect = pixelAspect
    self.isPicture = isPicture
  }
}
