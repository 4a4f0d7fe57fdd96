//! OpenH264, built from source.

use std::mem::zeroed;
use std::ptr::null_mut;

use openh264_sys2::source::APILoader;
use openh264_sys2::{
    CONSTANT_ID, DECODER_OPTION_ERROR_CON_IDC, DECODER_OPTION_TRACE_LEVEL, ENCODER_OPTION_BITRATE,
    ENCODER_OPTION_TRACE_LEVEL, ERROR_CON_DISABLE, ISVCDecoder, ISVCDecoderVtbl, ISVCEncoder, ISVCEncoderVtbl,
    LEVEL_3_1, LEVEL_4_0, LOW_COMPLEXITY, PRO_BASELINE, RC_BITRATE_MODE, SBitrateInfo, SBufferInfo, SDecodingParam,
    SEncParamExt, SFrameBSInfo, SM_SINGLE_SLICE, SM_SIZELIMITED_SLICE, SPATIAL_LAYER_ALL, SSourcePicture,
    VIDEO_BITSTREAM_AVC, WELS_LOG_QUIET, videoFormatI420, videoFrameTypeIDR,
};

use crate::coder::Quality;
use crate::picture::Picture;

/// An encoder of one size.
pub struct Encoder {
    raw: *mut ISVCEncoder,
    width: usize,
    height: usize,
}

// SAFETY: an encoder is plain memory without thread affinity (it is told to use one thread); `&mut self` keeps its
// calls apart.
unsafe impl Send for Encoder {}

impl Encoder {
    /// `None`: OpenH264 refuses.
    pub fn new(quality: &Quality) -> Option<Encoder> {
        let mut raw: *mut ISVCEncoder = null_mut();
        // SAFETY: fills `raw` or answers with an error.
        if unsafe { APILoader::WelsCreateSVCEncoder(&raw mut raw) } != 0 || raw.is_null() {
            return None;
        }
        let encoder = Encoder { raw, width: quality.width, height: quality.height };
        // SAFETY: an all-zero value is one of plain numbers; the library fills in its defaults next.
        let mut params: SEncParamExt = unsafe { zeroed() };
        let table = encoder.table();
        let mut quiet = WELS_LOG_QUIET;
        // SAFETY: `raw` is a live encoder, the option takes one int, and `params` lives through both calls.
        let begun = unsafe {
            (table.SetOption?)(raw, ENCODER_OPTION_TRACE_LEVEL, (&raw mut quiet).cast());
            (table.GetDefaultParams?)(raw, &raw mut params);
            describe(&mut params, quality);
            (table.InitializeExt?)(raw, &raw const params)
        };
        (begun == 0).then_some(encoder)
    }

    fn table(&self) -> &ISVCEncoderVtbl {
        // SAFETY: `raw` points to a live encoder, whose first word points to its table.
        unsafe { &**self.raw }
    }

    /// Change the bitrate, from the next picture on.
    pub fn set_bitrate(&mut self, bitrate_bps: u32) {
        let mut info = SBitrateInfo { iLayer: SPATIAL_LAYER_ALL, iBitrate: bitrate_bps as i32 };
        if let Some(set) = self.table().SetOption {
            // SAFETY: this option takes an SBitrateInfo, which lives through the call.
            unsafe { set(self.raw, ENCODER_OPTION_BITRATE, (&raw mut info).cast()) };
        }
    }

    /// Encode a picture of the encoder's size behind `out`; whether it is a key frame. `None`: nothing came out.
    pub fn encode(&mut self, picture: &Picture, at_ms: i64, key: bool, out: &mut Vec<u8>) -> Option<bool> {
        if (picture.width, picture.height) != (self.width, self.height) {
            return None;
        }
        let (encode, force) = (self.table().EncodeFrame?, self.table().ForceIntraFrame?);
        let half = (self.width / 2) as i32;
        let plane = |bytes: &[u8]| bytes.as_ptr().cast_mut();
        let source = SSourcePicture {
            iColorFormat: videoFormatI420,
            iStride: [self.width as i32, half, half, 0],
            pData: [plane(&picture.y), plane(&picture.u), plane(&picture.v), null_mut()],
            iPicWidth: self.width as i32,
            iPicHeight: self.height as i32,
            uiTimeStamp: at_ms,
            ..SSourcePicture::default()
        };
        let mut made = SFrameBSInfo::default();
        // SAFETY: the planes are as large as the sides say and are only read; `made` is filled with pointers into the
        // encoder that hold until its next call, and they are read before that.
        unsafe {
            if key {
                force(self.raw, true);
            }
            if encode(self.raw, &raw const source, &raw mut made) != 0 {
                return None;
            }
            for layer in &made.sLayerInfo[..made.iLayerNum.clamp(0, 128) as usize] {
                let lengths = std::slice::from_raw_parts(layer.pNalLengthInByte, layer.iNalCount.max(0) as usize);
                let total: usize = lengths.iter().map(|&length| length as usize).sum();
                out.extend_from_slice(std::slice::from_raw_parts(layer.pBsBuf, total));
            }
        }
        (!out.is_empty()).then_some(made.eFrameType == videoFrameTypeIDR)
    }
}

fn describe(params: &mut SEncParamExt, quality: &Quality) {
    let (width, height) = (quality.width as i32, quality.height as i32);
    params.iPicWidth = width;
    params.iPicHeight = height;
    params.iTargetBitrate = quality.bitrate_bps as i32;
    params.iRCMode = RC_BITRATE_MODE;
    // A frame rate that was agreed on is kept: too many bits are met with coarser pictures, not with fewer.
    params.bEnableFrameSkip = false;
    params.fMaxFrameRate = quality.rate as f32;
    params.iComplexityMode = LOW_COMPLEXITY;
    params.iMultipleThreadIdc = 1;
    params.eSpsPpsIdStrategy = CONSTANT_ID;
    params.uiIntraPeriod = 0;
    params.bEnableSceneChangeDetect = false;
    params.bEnableDenoise = false;
    params.bEnableLongTermReference = false;
    params.iSpatialLayerNum = 1;
    params.iTemporalLayerNum = 1;
    let layer = &mut params.sSpatialLayers[0];
    layer.uiProfileIdc = PRO_BASELINE;
    layer.uiLevelIdc = if width * height <= 1280 * 720 { LEVEL_3_1 } else { LEVEL_4_0 };
    layer.iVideoWidth = width;
    layer.iVideoHeight = height;
    layer.fFrameRate = quality.rate as f32;
    layer.iSpatialBitrate = quality.bitrate_bps as i32;
    if quality.longest_unit > 0 {
        params.uiMaxNalSize = quality.longest_unit.into();
        layer.sSliceArgument.uiSliceMode = SM_SIZELIMITED_SLICE;
        layer.sSliceArgument.uiSliceSizeConstraint = quality.longest_unit.into();
    } else {
        layer.sSliceArgument.uiSliceMode = SM_SINGLE_SLICE;
        layer.sSliceArgument.uiSliceNum = 1;
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: `raw` was made by WelsCreateSVCEncoder and is destroyed once.
        unsafe {
            self.table().Uninitialize.map(|end| end(self.raw));
            APILoader::WelsDestroySVCEncoder(self.raw);
        }
    }
}

/// A decoder.
pub struct Decoder(*mut ISVCDecoder);

// SAFETY: as for `Encoder`.
unsafe impl Send for Decoder {}

impl Decoder {
    /// `None`: OpenH264 refuses.
    pub fn new() -> Option<Decoder> {
        let mut raw: *mut ISVCDecoder = null_mut();
        // SAFETY: fills `raw` or answers with an error.
        if unsafe { APILoader::WelsCreateDecoder(&raw mut raw) } != 0 || raw.is_null() {
            return None;
        }
        let decoder = Decoder(raw);
        // SAFETY: an all-zero value is one of plain numbers and null pointers.
        let mut params: SDecodingParam = unsafe { zeroed() };
        params.sVideoProperty.eVideoBsType = VIDEO_BITSTREAM_AVC;
        // What is lost is asked for again; a picture with holes is never shown.
        params.eEcActiveIdc = ERROR_CON_DISABLE;
        let (mut quiet, mut conceal) = (WELS_LOG_QUIET, ERROR_CON_DISABLE);
        // SAFETY: `raw` is a live decoder, each option takes one int, and everything lives through the calls.
        let begun = unsafe {
            let table = decoder.table();
            (table.SetOption?)(raw, DECODER_OPTION_TRACE_LEVEL, (&raw mut quiet).cast());
            let begun = (table.Initialize?)(raw, &raw const params);
            (table.SetOption?)(raw, DECODER_OPTION_ERROR_CON_IDC, (&raw mut conceal).cast());
            begun
        };
        (begun == 0).then_some(decoder)
    }

    fn table(&self) -> &ISVCDecoderVtbl {
        // SAFETY: as for `Encoder`.
        unsafe { &**self.0 }
    }

    /// Decode one access unit. `Ok(None)`: it made no picture (parameter sets alone).
    pub fn decode(&mut self, data: &[u8]) -> Result<Option<Picture>, ()> {
        let decode = self.table().DecodeFrameNoDelay.ok_or(())?;
        let mut planes: [*mut u8; 3] = [null_mut(); 3];
        let mut info = SBufferInfo::default();
        // SAFETY: `data` is only read, by its length; `planes` and `info` live through the call.
        let state = unsafe { decode(self.0, data.as_ptr(), data.len() as i32, planes.as_mut_ptr(), &raw mut info) };
        if state != 0 {
            return Err(());
        }
        if info.iBufferStatus != 1 || planes.contains(&null_mut()) {
            return Ok(None);
        }
        // SAFETY: with a buffer status of 1 this member is the one that was written.
        let about = unsafe { info.UsrData.sSystemBuffer };
        if about.iFormat != videoFormatI420 || about.iWidth < 2 || about.iHeight < 2 {
            return Err(());
        }
        let mut picture = Picture::new(about.iWidth as usize, about.iHeight as usize, [16, 128, 128]);
        let strides = [about.iStride[0], about.iStride[1], about.iStride[1]];
        copy(&mut picture, planes.map(|plane| plane.cast_const()), strides);
        Ok(Some(picture))
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: `raw` was made by WelsCreateDecoder and is destroyed once.
        unsafe {
            self.table().Uninitialize.map(|end| end(self.0));
            APILoader::WelsDestroyDecoder(self.0);
        }
    }
}

/// Copy planes out of a library's memory. They hold at least the rows of `picture`, `strides` bytes apart.
pub(super) fn copy(picture: &mut Picture, planes: [*const u8; 3], strides: [i32; 3]) {
    for (index, (own, width)) in picture.planes_mut().into_iter().enumerate() {
        if planes[index].is_null() || strides[index] < width as i32 {
            return;
        }
        for (row, to) in own.chunks_exact_mut(width).enumerate() {
            // SAFETY: the libraries promise as many rows as the picture has, each of at least `width` bytes.
            let from = unsafe { std::slice::from_raw_parts(planes[index].add(row * strides[index] as usize), width) };
            to.copy_from_slice(from);
        }
    }
}
